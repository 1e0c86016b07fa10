// How long to wait before trying again: doubling, bounded, spread so that many pages do not come back at one moment.
const FIRST_MS = 500
const LONGEST_MS = 8_000
const SPREAD = 0.25

/** Wait before attempt `failures + 1`; `random` in [0, 1). */
export function waitBefore(failures: number, random: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, Math.min(failures - 1, 10)))
  return Math.round(whole * (1 - SPREAD * random))
}
