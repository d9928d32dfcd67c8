// The cost of the layer around every request: GET / compared with a bare Fastify that gives the same answer.
import Fastify from 'fastify'
import { compare, isBare, listen } from './pairs.ts'

if (isBare) {
  const app = Fastify()
  app.get('/', async () => ({ message: 'Sample API' }))
  await listen(app)
} else {
  await compare('GET /', import.meta.url, 'postgres://127.0.0.1:1', {}) // no database runs, and none is needed
}
