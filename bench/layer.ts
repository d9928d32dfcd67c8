// What the layer around every request costs: GET / beside a bare Fastify that answers the same.
import Fastify from 'fastify'
import { compare, isBare, listen } from './pairs.ts'

if (isBare) {
  const app = Fastify()
  app.get('/', async () => ({ message: 'Sample API' }))
  await listen(app)
} else {
  await compare('GET /', import.meta.url, 'postgres://127.0.0.1:1', {}) // no database is there, and none is needed
}
