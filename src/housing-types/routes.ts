import {
  answer,
  bodyFailures,
  constraintForbids,
  declareResource,
  ETag,
  failures,
  Location,
  noContent,
  operation,
  type Routes,
  ref,
} from '../contract/contract.ts'
import { checkPreconditions, contentTag, IfNoneMatch, Preconditions } from '../contract/preconditions.ts'
import { invalidMember, Problem } from '../contract/problems.ts'
import { trimmed } from '../contract/text.ts'
import { onViolation } from '../database/errors.ts'
import type { HousingTypes } from './memory.ts'
import { sendPrepared } from './prepared.ts'
import { housingTypeKinds } from './problems.ts'
import { deleteHousingType, findHousingType, insertHousingType, updateHousingType } from './queries.ts'
import {
  DeletedHousingTypeCode,
  HousingType,
  HousingTypeCode,
  HousingTypeInput,
  HousingTypeList,
  NewHousingTypeCode,
} from './schemas.ts'

const example = { code: 'SFD', description: 'Single Family Housing' }
const missing = { 404: 'No housing type has this code.' }
const code = '$request.path.code'
const writes = { parameters: { code, 'If-Match': '$response.header.ETag' } }
const toChanges = {
  putHousingType: { operationId: 'putHousingType', ...writes },
  deleteHousingType: { operationId: 'deleteHousingType', ...writes },
}
const changed = { 412: 'The precondition does not hold.' }

/** The code list of housing types: few, seldom changed, and answered from memory. */
export const housingTypeRoutes: Routes<{ types: HousingTypes }> = async (app, { types }) => {
  declareResource(app, {
    tag: { name: 'Housing Types', description: 'The kinds of homes.' },
    shapes: [HousingType, HousingTypeList, HousingTypeInput],
    kinds: housingTypeKinds,
  })

  app.get(
    '',
    operation('listHousingTypes', 'All housing types', {
      scope: 'housing:read',
      description: 'They are few, so they come in one answer. It has an ETag of its own.',
      links: {
        200: {
          getHousingType: { operationId: 'getHousingType', parameters: { code: '$response.body#/items/0/code' } },
        },
      },
      headers: IfNoneMatch,
      response: {
        200: answer(HousingTypeList, 'All housing types.', {
          example: { items: [example], next: null },
          headers: { ETag },
        }),
        304: noContent('The client already has the current list.', { ETag }),
        ...failures(),
      },
    }),
    async (request, reply) => sendPrepared(request, reply, await types.all(), asList),
  )

  app.get(
    '/:code',
    operation('getHousingType', 'One housing type', {
      scope: 'housing:read',
      description: 'By its code.',
      links: { 200: toChanges },
      params: HousingTypeCode,
      headers: IfNoneMatch,
      response: {
        200: answer(HousingType, 'The type.', { example, headers: { ETag } }),
        304: noContent('The client already has the current version.', { ETag }),
        ...failures(missing),
      },
    }),
    async (request, reply) => {
      const type = await types.byCode(request.params.code)
      if (!type) throw notFound(request.params.code)
      return sendPrepared(request, reply, type, asHousingType)
    },
  )

  app.put(
    '/:code',
    operation('putHousingType', 'Add a housing type, or replace it', {
      scope: 'housing:admin',
      description: 'With `If-None-Match: *` it only adds, with `If-Match` it only replaces the version that is named.',
      links: {
        200: toChanges,
        201: { getHousingType: { operationId: 'getHousingType', parameters: { code } }, ...toChanges },
      },
      params: NewHousingTypeCode,
      headers: Preconditions,
      body: ref(HousingTypeInput),
      response: {
        200: answer(HousingType, 'The type as it is now.', { example, headers: { ETag } }),
        201: answer(HousingType, 'The new type.', { example, headers: { ETag, Location } }),
        ...failures({
          ...changed,
          ...bodyFailures,
          409: constraintForbids,
          422: 'The code in the path or the body is invalid.',
        }),
      },
    }),
    async ({ params: { code }, headers, body }, reply) => {
      if (body.code !== undefined && body.code !== code)
        throw invalidMember('/code', 'const', `must be ${code}, the code in the path, or be omitted.`)
      const type = { code, description: trimmed(body.description) }
      const created = await types.change(async (tx) => {
        const current = await findHousingType(tx, code)
        checkPreconditions(headers, current && contentTag(asHousingType(current)))
        await (current ? updateHousingType : insertHousingType)(tx, code, type.description)
        return !current
      })
      reply.header('etag', contentTag(type))
      if (!created) return reply.code(200).send(type)
      return reply.code(201).header('location', `/api/v2/housing-types/${code}`).send(type)
    },
  )

  app.delete(
    '/:code',
    operation('deleteHousingType', 'Delete a housing type', {
      scope: 'housing:admin',
      description:
        'A type that houses have cannot be deleted. With `If-Match` only the version that is named is deleted.',
      params: DeletedHousingTypeCode,
      headers: Preconditions,
      response: {
        204: noContent('The type is deleted.'),
        ...failures({ ...missing, 409: 'Some houses have this type.', ...changed, 422: constraintForbids }),
      },
    }),
    async ({ params: { code }, headers }, reply) => {
      await types.change(async (tx) => {
        const current = await findHousingType(tx, code)
        checkPreconditions(headers, current && contentTag(asHousingType(current)))
        if (!current) throw notFound(code)
        await deleteHousingType(tx, code).catch(onViolation('fk_housing_type', () => typeInUse(code)))
      })
      return reply.code(204).send()
    },
  )
}

const asHousingType = ({ code, description }: HousingType): HousingType => ({ code, description })

const asList = (types: HousingType[]) => ({ items: types.map(asHousingType), next: null })

const notFound = (code: string) => new Problem('not-found', `No housing type has the code ${code}.`)

const typeInUse = (code: string) =>
  new Problem(
    housingTypeKinds['housing-type-in-use'],
    `Houses have the type ${code}: GET /api/v2/housing?housing_type=${code} lists them.`,
  )
