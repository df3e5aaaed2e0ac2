// The last result of a check replaces the one before it.
import type { Statement } from '../../runtime/ports.ts';

type Params = [name: string, sound: number, unsound: number, skipped: number, problems: number];

export const writeCheckResult: Statement<Params, never> = {
  name: 'cli-check-result',
  text: `INSERT INTO check_results AS c (name, sound, unsound, skipped, problems) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET finished_at = now(), sound = excluded.sound, unsound = excluded.unsound, skipped = excluded.skipped,
  problems = excluded.problems`,
};
