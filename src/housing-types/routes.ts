import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answer, ETag, failures, Location, noContent, ref } from '../contract/contract.ts'
import { checkPreconditions, contentTag, IfNoneMatch, isKnown, Preconditions } from '../contract/preconditions.ts'
import { Problem, wrongMember } from '../contract/problems.ts'
import { trimmed } from '../contract/text.ts'
import { onViolation } from '../database/errors.ts'
import type { HousingTypes } from './memory.ts'
import { deleteHousingType, findHousingType, insertHousingType, updateHousingType } from './queries.ts'
import { HousingType, HousingTypeCode, HousingTypeInput, HousingTypeList, NewHousingTypeCode } from './schemas.ts'

const tags = ['Housing types']
const example = { code: 'SFD', description: 'Single Family Housing' }
const missing = { 404: 'No housing type has this code.' }
const changed = { 412: 'The precondition does not hold.' }

export const housingTypeRoutes: FastifyPluginAsyncTypebox<{ types: HousingTypes }> = async (app, { types }) => {
  for (const shape of [HousingType, HousingTypeList, HousingTypeInput]) app.addSchema(shape)

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
    async (request, reply) => sendPrepared(request, reply, await types.all(), asList),
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
    async (request, reply) => {
      const type = await types.byCode(request.params.code)
      if (!type) throw notFound(request.params.code)
      return sendPrepared(request, reply, type, asHousingType)
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
        body: ref(HousingTypeInput),
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
      await types.change(async (tx) => {
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

const asList = (types: HousingType[]) => ({ items: types.map(asHousingType), next: null })

const prepared = new WeakMap<object, { etag: string; body: string }>()

/** Sends the content that is made of these rows, whose bytes and ETag are made once, however often it is sent. */
function sendPrepared<Rows extends object>(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  rows: Rows,
  asContent: (rows: Rows) => Record<string, unknown>,
) {
  let answer = prepared.get(rows)
  if (!answer) {
    const content = asContent(rows)
    answer = { etag: contentTag(content), body: reply.serializeInput(content, '200', 'application/json') as string }
    prepared.set(rows, answer)
  }
  reply.header('etag', answer.etag)
  if (isKnown(headers, answer.etag)) return reply.code(304).send()
  return reply.type('application/json; charset=utf-8').send(answer.body)
}

const notFound = (code: string) => new Problem('not-found', `No housing type has the code ${code}.`)

const inUse = (code: string) =>
  new Problem(
    'housing-type-in-use',
    `Houses have the type ${code}: GET /api/v2/housing?housing_type=${code} lists them.`,
  )

const otherCode = (code: string) => wrongMember('/code', 'const', `must be left out, or be ${code}, as in the path.`)
