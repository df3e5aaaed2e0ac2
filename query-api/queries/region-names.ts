// English names of regions, as far as the gateways have learned them.
import { type Bound, bound } from './bound.ts';

export const regionNames = (regions: readonly string[]): Bound<{ region: string; name: string }> =>
  bound('region_names', 'SELECT region, name FROM region_names WHERE region = ANY($1::text[])', [regions]);
