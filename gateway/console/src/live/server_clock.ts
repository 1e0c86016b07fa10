// The gateway's time on this machine's clock: a duty officer's computer may be minutes off, a window is 60 seconds.
// The offset comes from the Date header of every answer, which counts whole seconds.

let offsetMs: number | null = null

export function noteServerDate(date: string | null, nowMs: number = Date.now()): void {
  const serverMs = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(serverMs)) return
  // The header is cut down to the second, so on average it is half a second behind.
  const measured = serverMs + 500 - nowMs
  // Below the header's own grain a correction would only make countdowns jump.
  if (offsetMs === null || Math.abs(measured - offsetMs) > 1500) offsetMs = Math.abs(measured) < 1500 ? 0 : measured
}

/** The gateway's time, milliseconds since the epoch. */
export function serverNow(nowMs: number = Date.now()): number {
  return nowMs + (offsetMs ?? 0)
}

export function forgetServerClock(): void {
  offsetMs = null
}
