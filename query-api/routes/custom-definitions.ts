// /v1/custom-definitions: names, scope and fate of the numbered custom values that measurement protocols send. The gateways follow within
// seconds; hits that are in already stay as they are.
import { z } from 'zod';
import { notFound } from '../problem.ts';
import { customDefinitionDelete, customDefinitionPut, customDefinitions } from '../queries/custom-definitions.ts';
import { route } from './route.ts';
import { count, plainAnswer } from './shapes.ts';

const INDEX_MAX = 199;
const NAME_CHARS_MAX = 64;

const type = z.enum(['dimension', 'metric']);
const scope = z.enum(['hit', 'session']);
const definition = z.object({ type, index: count, name: z.string(), scope, active: z.boolean() });
const params = z.strictObject({ type, index: z.coerce.number<string>().int().min(1).max(INDEX_MAX) });

export const customDefinitionsRoute = route({
  method: 'get',
  path: '/v1/custom-definitions',
  scope: 'admin',
  summary: 'What the site means by its custom values',
  answer: plainAnswer(z.array(definition)),
  async handle({ caller }, { askAdmin }) {
    return { data: await askAdmin(customDefinitions(caller.site)), noStore: true };
  },
});

export const customDefinitionPutRoute = route({
  method: 'put',
  path: '/v1/custom-definitions/{type}/{index}',
  scope: 'admin',
  summary: 'Define a custom value',
  description:
    'Scope `session`: the first value of a visit stays, as its metadata `cd<index>` or `cm<index>` (filter and group by `meta.cd1`). Scope `hit`: it is kept on each hit. Not active: it is dropped.',
  params,
  body: z.strictObject({
    name: z
      .string()
      .min(1)
      .max(NAME_CHARS_MAX)
      .refine((value) => !value.includes('\0'), 'must not contain NUL'),
    scope: scope.default('hit'),
    active: z.boolean().default(true),
  }),
  answer: plainAnswer(definition),
  async handle({ caller, path, body }, { askAdmin, logger }) {
    const [row] = await askAdmin(customDefinitionPut(caller.site, { ...path, ...body }));
    logger.info({ by: caller.keyId, site: caller.site, type: path.type, index: path.index }, 'custom value defined');
    return { data: row, noStore: true };
  },
});

export const customDefinitionDeleteRoute = route({
  method: 'delete',
  path: '/v1/custom-definitions/{type}/{index}',
  scope: 'admin',
  summary: 'Forget the definition of a custom value; it is then kept on its hit',
  params,
  answer: plainAnswer(definition),
  async handle({ caller, path }, { askAdmin, logger }) {
    const [row] = await askAdmin(customDefinitionDelete(caller.site, path.type, path.index));
    if (row === undefined) throw notFound('This definition');
    logger.info({ by: caller.keyId, site: caller.site, type: path.type, index: path.index }, 'definition of a custom value deleted');
    return { data: row, noStore: true };
  },
});
