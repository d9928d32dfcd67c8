import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import { plainJson, preferredOf } from '../http/representation.ts'
import { frontPageSender } from './front-page.ts'

const types = ['application/json', 'text/html']

/** `GET /`, as the Python version answers it; for clients that prefer HTML, which are browsers, it is the page. */
export const greeting: FastifyPluginAsync = async (app) => {
  const sendPage = frontPageSender()
  app.get(
    '/',
    {
      config: { public: true, negotiates: true },
      onSend: plainJson,
      schema: {
        operationId: 'root__get',
        summary: 'Root',
        description:
          'The name of the service, as version 1 greets; or, for a browser, a page to look at the registry and to edit it. `/livez` and `/readyz` say how the service is.',
        response: {
          200: Type.Object({ message: Type.String({ examples: ['Sample API'] }) }),
          500: Type.Object({ detail: Type.String() }, { description: 'The server failed. The error is logged.' }),
        },
      },
    },
    async (request, reply) =>
      preferredOf(request, types) === 'text/html' ? sendPage(reply) : { message: 'Sample API' },
  )
}
