// What the operator's checks (`playhead audit`, `playhead verify`) last found.
import { type Bound, bound } from './bound.ts';

export type CheckResultRow = { name: string; age_seconds: number; sound: number; unsound: number; skipped: number; problems: number };

export const checkResults = (): Bound<CheckResultRow> =>
  bound(
    'check_results',
    `SELECT name, extract(epoch FROM now() - finished_at)::float8 AS age_seconds, sound, unsound, skipped, problems FROM check_results`,
    [],
  );
