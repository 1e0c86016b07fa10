// What was changed, step by step, so that it can be taken back and done again. Pure.

export interface History<T> {
  readonly past: readonly T[]
  readonly now: T
  readonly future: readonly T[]
  /** Of the last change: changes of one thing in a row (letters typed in a field) are one step. */
  readonly what: string | null
}

const MOST_STEPS = 200

export function begun<T>(now: T): History<T> {
  return { past: [], now, future: [], what: null }
}

export function changed<T>(history: History<T>, now: T, what: string | null = null): History<T> {
  if (what !== null && what === history.what) return { ...history, now, future: [] }
  return { past: [...history.past, history.now].slice(-MOST_STEPS), now, future: [], what }
}

export function undone<T>(history: History<T>): History<T> {
  const before = history.past.at(-1)
  if (before === undefined) return history
  return { past: history.past.slice(0, -1), now: before, future: [history.now, ...history.future], what: null }
}

export function redone<T>(history: History<T>): History<T> {
  const [after, ...future] = history.future
  if (after === undefined) return history
  return { past: [...history.past, history.now], now: after, future, what: null }
}
