// Settings of the surfaces, for those who read them: names and rules are the same for all, so they are made, not listed.
import { SURFACE_TIMES, SURFACES, type Surface } from '../../schemas/surfaces.ts';
import { VIEW_RULE_DEFAULT } from '../../schemas/views.ts';
import { rule, type Setting, type SurfaceSetting, setting, surfaceVariable } from './config.ts';

/** The most that any of them may be: a week. */
const SURFACE_MS_MAX = 604_800_000;

/** What counts as a view in PeerTube's public counter: the processors count sealed sessions by it, the query API open ones. */
export const viewSettings = {
  peertubeViewAfterMs: setting({
    env: 'PLAYHEAD_PEERTUBE_VIEW_AFTER_MS',
    schema: rule.integer(1_000, 86_400_000),
    default: String(VIEW_RULE_DEFAULT.countAfterMs),
    description: 'Watch time that makes a view in the counter of PeerTube, ms; results depend on it as on the FOLD settings',
  }),
  peertubeViewExpirationMs: setting({
    env: 'PLAYHEAD_PEERTUBE_VIEW_EXPIRATION_MS',
    schema: rule.integer(1_000, 604_800_000),
    default: String(VIEW_RULE_DEFAULT.expirationMs),
    description:
      'Time for which a session does not count again in the counter of PeerTube, ms; results depend on it as on the FOLD settings',
  }),
};

type Kind = { least: number; field: 'idleGapMs' | 'leaveLingerMs' | 'backdateMaxMs'; meaning: string; unset: string };

const KINDS: Record<SurfaceSetting, Kind> = {
  IDLE_GAP_MS: {
    least: 1,
    field: 'idleGapMs',
    meaning: 'Silence after which a session of this surface is sealed',
    unset: 'PLAYHEAD_FOLD_IDLE_GAP_MS',
  },
  LINGER_MS: {
    least: 0,
    field: 'leaveLingerMs',
    meaning: 'Wait for stragglers after a session of this surface was left',
    unset: 'PLAYHEAD_FOLD_LEAVE_LINGER_MS',
  },
  BACKDATE_MAX_MS: {
    least: 1,
    field: 'backdateMaxMs',
    meaning: 'How old a client time of this surface may be; an older one counts as receipt',
    unset: '24 h',
  },
};

/** Where a surface has no limit unless one is set: its events keep their own time, however old. */
const UNSET: Partial<Record<string, string>> = { [surfaceVariable('analytics_engine', 'BACKDATE_MAX_MS')]: 'any age' };

/** One kind of setting of every surface, by surface, under keys that no other setting has. undefined = not set. */
export type SurfaceSpec<N extends SurfaceSetting> = { readonly [K in `${Surface}_${N}`]: Setting<number | undefined> };

/** The spec of one kind of setting for every surface. */
export function surfaceSpec<const N extends SurfaceSetting>(name: N): SurfaceSpec<N> {
  const { least, field, meaning, unset } = KINDS[name];
  const entries = SURFACES.map((surface) => {
    const env = surfaceVariable(surface, name);
    const own = SURFACE_TIMES[surface]?.[field];
    const description = own === undefined ? `${meaning}; empty = ${UNSET[env] ?? unset}` : meaning;
    return [
      `${surface}_${name}`,
      setting({ env, schema: rule.optionalInteger(least, SURFACE_MS_MAX), default: own === undefined ? '' : String(own), description }),
    ];
  });
  return Object.fromEntries(entries);
}

/** What a config made with surfaceSpec says of a surface. */
export function surfaceValue<const N extends SurfaceSetting>(
  config: { readonly [K in `${Surface}_${N}`]: number | undefined },
  surface: Surface,
  name: N,
): number | undefined {
  return config[`${surface}_${name}`];
}
