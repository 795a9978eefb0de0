import { EventEmitter } from 'node:events'

/** An error with one of offheap's own permanent codes (`ERR_OFFHEAP_…`, docs/errors.md). */
export class OffheapError extends Error {
  constructor (code: string, message: string, cause?: unknown)
  readonly name: string
  /** Permanent; the message may change. */
  readonly code: string
  /** Of a probe that failed in every attempt: how many there were. */
  readonly attempts?: number
}

/**
 * A size: a number of bytes, or a string such as `'512MB'` or `'1.5 GiB'`. kB, MB, GB and TB are powers of 1,000, as every report prints
 * them; KiB, MiB, GiB and TiB are powers of 1,024, as in `--max-old-space-size` and Docker's `-m`. A string that is put together at run time,
 * such as one from the environment, needs `as Size`; a wrong one throws `ERR_INVALID_ARG_VALUE`.
 */
export type Size = number | `${number}${'' | ' '}${'B' | 'kB' | 'KB' | 'MB' | 'GB' | 'TB' | 'KiB' | 'MiB' | 'GiB' | 'TiB'}`


/** A share: `'80%'`. */
export type Percentage = `${number}%` | `${number} %`

