/**
 * Preloaded, it has every native addon's Node-API calls counted from the first one on ({@link watchAddons}), in all threads:
 * `node -r offheap/register service.js`, `node --import offheap/register service.js`, or either in `NODE_OPTIONS`. Loading it
 * again does nothing. It never keeps a service from starting: what fails becomes a process warning.
 *
 * - `OFFHEAP_ADDONS`: `0` or `false` leaves addons alone (default: `1`)
 * @example
 * // NODE_OPTIONS='-r offheap/register' node service.js
 */
export {}
