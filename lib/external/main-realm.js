// offheap: evaluated once per thread, in the main realm, when the addon is loaded (see src/external/main_realm.rs); the value is what all copies of
// lib/external/track.js and lib/external/pending-batch.js on that thread share.
(function () {
  'use strict'

  const CAPACITY = 64

  // A constructor that returns another object installs its private fields on that one.
  class Host {
    constructor (object) {
      return object
    }
  }

  class Ticket extends Host {
    #number

    static get (object) {
      return #number in object ? object.#number : undefined
    }

    static set (object, number) {
      if (!(#number in object)) new Ticket(object) // eslint-disable-line no-new -- installs the field
      object.#number = number
    }
  }

  // Taken now: mocked timers stand still.
  const { setImmediate } = globalThis
  let sweeping = false

  function sweep () {
    sweeping = false
    if (shared.sweepSome() !== undefined) shared.sweepLater()
  }

  const shared = {
    // The nursery: values, and beside them what each stands for.
    values: new Array(CAPACITY).fill(undefined),
    bytes: new Float64Array(CAPACITY + 1), // and, at the end, how many there are
    keys: new Uint32Array(CAPACITY),
    tickets: new Float64Array(CAPACITY),
    heldBytes: 0,
    scheduled: false,

    // What identifies values that have no address of their own.
    nextTicket: 1,
    viewTickets: new WeakMap(),
    viewsByIdentity: false,
    objectsWithoutField: false,
    objectTicket: Ticket.get,
    setObjectTicket: Ticket.set,

    // Route contexts that are settled, by route: a request that is over, or another piece of work.
    requestCounts: new Map(),

    // Called after a major collection with more records than should be looked at in one turn. Keeps no process alive.
    sweepLater () {
      if (sweeping) return
      sweeping = true
      setImmediate(sweep).unref()
    }
  }
  return shared
})()
