import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import { plainJson } from '../http/representation.ts'

/** `GET /`, as the Python version answers it. */
export const greeting: FastifyPluginAsync = async (app) => {
  app.get(
    '/',
    {
      onSend: plainJson,
      schema: {
        operationId: 'root__get',
        summary: 'Root',
        response: { 200: Type.Object({ message: Type.String({ examples: ['Sample API'] }) }) },
      },
    },
    async () => ({ message: 'Sample API' }),
  )
}
