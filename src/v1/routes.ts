import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import { accessFailures, ref } from '../contract/contract.ts'
import { Problem } from '../contract/problems.ts'
import { actingAs } from '../database/actor.ts'
import { onViolation } from '../database/errors.ts'
import type { Database } from '../database/tables.ts'
import type { HousingTypes } from '../housing-types/memory.ts'
import type { HousingTypeRow } from '../housing-types/queries.ts'
import { plainJson } from '../http/representation.ts'
import { acceptJsonAsVersion1 } from './body.ts'
import { findV1Housing, insertV1Housing } from './gathered.ts'
import type { V1HousingRow } from './queries.ts'
import {
  maxLimit,
  V1Failure,
  V1Housing,
  V1HousingInput,
  V1HousingType,
  V1Paging,
  V1ValidationFailure,
} from './schemas.ts'
import { checkPath, readHouse, readPaging } from './validation.ts'

type Query = Record<string, string | string[]>

/** A segment of the path may hold anything, newlines too, but not nothing. */
const anything = '([^]+)'
const notFound = (detail: string) => new Problem('not-found', detail)
const failed = { description: 'The server failed. The error is logged.', ...ref(V1Failure) }
const wrongInput = { description: 'The input is wrong.', ...ref(V1ValidationFailure) }

/**
 * The contract of the Python predecessor, frozen. Its schemas only document; validation.ts decides what a request may
 * hold.
 */
export const v1Routes: FastifyPluginAsync<{ db: Database; types: HousingTypes }> = async (app, { db, types }) => {
  app.declared.groups.push({
    prefix: '/api/v1/',
    name: 'Version 1',
    description:
      'Frozen: it answers as the Python version did, and nothing is added. New clients use version 2, above.',
  })
  for (const shape of [V1Failure, V1Housing, V1HousingType, V1HousingInput, V1ValidationFailure]) app.addSchema(shape)
  app.setValidatorCompiler(() => () => true)
  acceptJsonAsVersion1(app)
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, compress: false } // the predecessor never did
    const denied = Object.entries(accessFailures).map(([status, description]) => [
      status,
      { description, ...ref(V1Failure) },
    ])
    const { response, ...schema } = route.schema ?? {}
    route.schema = { ...schema, response: { ...(response as object), ...Object.fromEntries(denied) } }
  })
  app.addHook('onSend', plainJson)

  app.get<{ Querystring: Query }>(
    '/housing_type/',
    {
      config: { scope: 'housing:read' },
      schema: {
        tags: ['Housing Types'],
        operationId: 'get_all_housing_types_api_v1_housing_type__get',
        summary: 'Get All Housing Types',
        description: 'All types, in the order of their ids.',
        querystring: V1Paging,
        response: { 200: Type.Array(ref(V1HousingType), { maxItems: maxLimit }), 422: wrongInput, 500: failed },
      },
    },
    async ({ query }) => {
      const { offset, limit } = readPaging(query)
      return (await types.all()).slice(offset, offset + limit).map(asV1HousingType)
    },
  )

  app.get<{ Params: { code: string } }>(
    `/housing_type/:code${anything}`,
    {
      config: { scope: 'housing:read' },
      schema: {
        tags: ['Housing Types'],
        operationId: 'get_housing_type_code_api_v1_housing_type__code__get',
        summary: 'Get Housing Type Code',
        description: 'One type, by its code.',
        params: Type.Object({ code: Type.String({ examples: ['SFD'] }) }),
        response: { 200: ref(V1HousingType), 404: ref(V1Failure), 422: wrongInput, 500: failed },
      },
    },
    async ({ params }) => {
      checkPath(params)
      const housingType = await types.byCode(params.code)
      if (!housingType) throw notFound('No HousingType for this code')
      return asV1HousingType(housingType)
    },
  )

  app.get<{ Params: { postal_code: string }; Querystring: Query }>(
    `/housing/:postal_code${anything}`,
    {
      config: { scope: 'housing:read', isShared: () => true },
      schema: {
        tags: ['Housing'],
        operationId: 'get_housing_in_postal_code_api_v1_housing__postal_code__get',
        summary: 'Get Housing In Postal Code',
        description: 'The houses of a postal code, spelled as it is stored. A 404 if there are none.',
        params: Type.Object({ postal_code: Type.String({ examples: ['V8W 3H2'] }) }),
        querystring: V1Paging,
        response: {
          200: Type.Array(ref(V1Housing), { maxItems: maxLimit }),
          404: ref(V1Failure),
          422: wrongInput,
          500: failed,
        },
      },
    },
    async ({ params, query }) => {
      const houses = await findV1Housing(db, { postalCode: params.postal_code, ...readPaging(query, params) })
      if (houses.length === 0) throw notFound('No homes found with the given postal code')
      return houses.map(asV1Housing)
    },
  )

  app.post(
    '/housing/',
    {
      config: { scope: 'housing:write' },
      schema: {
        tags: ['Housing'],
        operationId: 'create_house_api_v1_housing__post',
        summary: 'Create House',
        description: 'Adds a house. It names its type by the id.',
        body: ref(V1HousingInput),
        response: {
          200: ref(V1Housing),
          400: ref(V1Failure),
          422: Type.Union([ref(V1ValidationFailure), ref(V1Failure)], { description: wrongInput.description }),
          500: failed,
        },
      },
    },
    async ({ body, caller }) => {
      const house = await insertV1Housing(actingAs(db, caller), readHouse(body)).catch(
        onViolation('fk_housing_type', () => new Problem('invalid-body', 'Invalid housing_type_id')),
      )
      return asV1Housing(house)
    },
  )
}

const asV1Housing = ({ address, street, city, postal_code, housing_type_id, id }: V1HousingRow) => ({
  address,
  street,
  city,
  postal_code,
  housing_type_id,
  housing_id: id,
})
const asV1HousingType = ({ id, ...type }: HousingTypeRow) => ({ ...type, housing_type_id: id })
