import { onViolation } from '../database/errors.ts'
import { checkPreconditions, contentTag, IfNoneMatch, isKnown, Preconditions } from '../http/preconditions.ts'
import { Problem } from '../http/problems.ts'
import { answer, ETag, failures, Location, noContent, type Routes, ref } from '../http/routes.ts'
import { trimmed } from '../http/text.ts'
import {
  deleteHousingType,
  findHousingType,
  findHousingTypes,
  insertHousingType,
  lockHousingTypes,
  updateHousingType,
} from './queries.ts'
import { HousingType, HousingTypeCode, HousingTypeList, NewHousingType, NewHousingTypeCode } from './schemas.ts'

const tags = ['Housing types']
const example = { code: 'SFD', description: 'Single Family Housing' }
const missing = { 404: 'No housing type has this code.' }
const changed = { 412: 'The precondition does not hold.' }

export const housingTypeRoutes: Routes = async (app, { db }) => {
  for (const shape of [HousingType, HousingTypeList, NewHousingType]) app.addSchema(shape)

  app.get(
    '',
    {
      schema: {
        tags,
        operationId: 'listHousingTypes',
        summary: 'All types of housing',
        headers: IfNoneMatch,
        response: {
          200: answer(HousingTypeList, 'All of them.', {
            example: { items: [example], next: null },
            headers: { ETag },
          }),
          304: noContent('The client has them already.', { ETag }),
          ...failures(),
        },
      },
    },
    async ({ headers }, reply) => {
      const items = (await findHousingTypes(db)).map(asHousingType)
      reply.header('etag', contentTag(items))
      return isKnown(headers, contentTag(items)) ? reply.code(304).send() : reply.send({ items, next: null })
    },
  )

  app.get(
    '/:code',
    {
      schema: {
        tags,
        operationId: 'getHousingType',
        summary: 'One type of housing',
        params: HousingTypeCode,
        headers: IfNoneMatch,
        response: {
          200: answer(HousingType, 'The type.', { example, headers: { ETag } }),
          304: noContent('The client has it already.', { ETag }),
          ...failures(missing),
        },
      },
    },
    async ({ params: { code }, headers }, reply) => {
      const type = await findHousingType(db, code)
      if (!type) throw notFound(code)
      const etag = contentTag(asHousingType(type))
      reply.header('etag', etag)
      return isKnown(headers, etag) ? reply.code(304).send() : reply.send(type)
    },
  )

  app.put(
    '/:code',
    {
      schema: {
        tags,
        operationId: 'putHousingType',
        summary: 'Add a type of housing, or replace it',
        params: NewHousingTypeCode,
        headers: Preconditions,
        body: ref(NewHousingType),
        response: {
          200: answer(HousingType, 'The type as it is now.', { example, headers: { ETag } }),
          201: answer(HousingType, 'The new type.', { example, headers: { ETag, Location } }),
          ...failures({
            ...changed,
            413: 'The body is too large.',
            415: 'The body is no JSON.',
            422: 'The code, or the body, is wrong.',
          }),
        },
      },
    },
    async ({ params: { code }, headers, body }, reply) => {
      if (body.code !== undefined && body.code !== code) throw otherCode(code)
      const type = { code, description: trimmed(body.description) }
      const created = await db.transaction().execute(async (tx) => {
        await lockHousingTypes(tx)
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
    {
      schema: {
        tags,
        operationId: 'deleteHousingType',
        summary: 'Delete a type of housing',
        params: HousingTypeCode,
        headers: Preconditions,
        response: {
          204: noContent('It is deleted.'),
          ...failures({ ...missing, 409: 'Houses have this type.', ...changed }),
        },
      },
    },
    async ({ params: { code }, headers }, reply) => {
      await db.transaction().execute(async (tx) => {
        await lockHousingTypes(tx)
        const current = await findHousingType(tx, code)
        checkPreconditions(headers, current && contentTag(asHousingType(current)))
        if (!current) throw notFound(code)
        await deleteHousingType(tx, code).catch(onViolation('fk_housing_type', () => inUse(code)))
      })
      return reply.code(204).send()
    },
  )
}

const asHousingType = ({ code, description }: HousingType): HousingType => ({ code, description })

const notFound = (code: string) => new Problem('not-found', `No housing type has the code ${code}.`)

const inUse = (code: string) =>
  new Problem(
    'housing-type-in-use',
    `Houses have the type ${code}: GET /api/v2/housing?housing_type=${code} lists them.`,
  )

function otherCode(code: string): Problem {
  const detail = `must be left out, or be ${code}, as in the path.`
  return new Problem('invalid-body', `code ${detail}`, { errors: [{ pointer: '/code', code: 'const', detail }] })
}
