/** An error with one of offheap's own permanent codes (`ERR_OFFHEAP_…`, docs/errors.md). */
export class OffheapError extends Error {
  constructor (code: string, message: string, cause?: unknown)
  readonly name: string
  /** The code. Codes are permanent; messages may change. */
  readonly code: string
  /** How many children were forked; present when a probe failed in every attempt. */
  readonly attempts?: number
}

/**
 * A size: a number of bytes, or a string with a unit, such as `'512MB'` or `'1.5 GiB'`.
 *
 * - kB, MB, GB and TB are powers of 1,000. Every report prints sizes in these units.
 * - KiB, MiB, GiB and TiB are powers of 1,024. `--max-old-space-size` and Docker's `-m` count in these units.
 *
 * A string that is built at run time, for example from an environment variable, needs `as Size`. A string that is not a size throws
 * `ERR_INVALID_ARG_VALUE`.
 */
export type Size = number | `${number}${'' | ' '}${'B' | 'kB' | 'KB' | 'MB' | 'GB' | 'TB' | 'KiB' | 'MiB' | 'GiB' | 'TiB'}`

/** A percentage: `'80%'`. More than 0 and at most 100. */
export type Percentage = `${number}%` | `${number} %`
