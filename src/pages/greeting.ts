import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import { plainJson } from '../http/representation.ts'

/** `GET /`, as the Python version answers it. */
export const greeting: FastifyPluginAsync = async (app) => {
  app.get(
    '/',
    {
      config: { public: true },
      onSend: plainJson,
      schema: {
        operationId: 'root__get',
        summary: 'Root',
        description: 'The name of the service, as version 1 greets. `/livez` and `/readyz` say how it is.',
        response: {
          200: Type.Object({ message: Type.String({ examples: ['Sample API'] }) }),
          500: Type.Object({ detail: Type.String() }, { description: 'The server failed. The error is logged.' }),
        },
      },
    },
    async () => ({ message: 'Sample API' }),
  )
}
