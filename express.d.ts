import type { IncomingMessage, ServerResponse } from 'node:http'

declare namespace offheapExpress {
  interface ExpressOptions {
    /**
     * The URL path that serves the reading, to GET and HEAD (default: none). Exactly this path, below the path that the middleware is mounted
     * on. It begins with `/` and has no query. Without `authorize`, **everybody who reaches the service can read it**.
     */
    path?: string
    /**
     * Says whether this request may have the reading (default: every request may). Only `true`, returned or resolved, allows it. A refused
     * request continues to the application, which has no such route. When the function throws or rejects, the request is refused, and one
     * process warning says so.
     */
    authorize? (req: IncomingMessage): boolean | Promise<boolean>
    /**
     * Count what is tracked and sampled under the route of the request (default: `true`).
     *
     * - `true`: requests carry a context, so that `track()` and a sampled Buffer find their route. When the first 1,000 requests have tracked
     *   nothing, the next ones carry none, until something is tracked or sampled; from then on every request carries one. Requests that were
     *   in progress at that moment count as `(no route)`.
     * - `'always'`: every request carries a context, from the first to the last.
     * - `false`: no request is counted under its route.
     *
     * A context costs 1 to 2 % of a small request on Node 24 and 26, and about 10 % on Node 20 and 22, where AsyncLocalStorage slows down all promises
     * of the process. docs/express.md has the figures.
     */
    routes?: boolean | 'always'
  }

  /** A middleware of Express 4 and 5. */
  type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void
}

/**
 * Makes the Express middleware.
 *
 * - It serves `reading()` as JSON at `path`.
 * - What is tracked while a request is served, in any function that the request awaits, counts under the template of the request's route:
 *   `GET /users/:id/orders`, never the URL.
 *
 * Use it before all other middleware. A second use changes nothing. When the middleware fails, the request continues.
 *
 * A reading costs 0.1 to 0.3 ms; no pause, no garbage collection.
 * @throws {ERR_INVALID_ARG_TYPE} {ERR_INVALID_ARG_VALUE} an option is wrong or unknown
 * @example
 * const express = require('express')
 * const { track } = require('offheap')
 *
 * const app = express()
 * app.use(require('offheap/express')({
 *   path: '/debug/memory',
 *   authorize: (req) => req.headers.authorization === `Bearer ${process.env.DEBUG_TOKEN}`
 * }))
 * app.get('/thumbnails/:id', (req, res) => {
 *   res.send(track(Buffer.alloc(4096), { label: 'thumbnail' }))
 * })
 * app.listen(3000)
 */
declare function offheapExpress (options?: offheapExpress.ExpressOptions): offheapExpress.Middleware

export = offheapExpress
