// Times as the duty desk shows them: the machine's own zone, lengths in the shortest form that is still exact.

const two = (value: number): string => String(value).padStart(2, '0')

/** `09:05:07`, with the day before it when that is not today. */
export function clockTime(at: string, nowMs: number): string {
  const when = new Date(at)
  if (Number.isNaN(when.getTime())) return at
  const time = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`
  const today = new Date(nowMs)
  if (when.toDateString() === today.toDateString()) return time
  const day = `${two(when.getMonth() + 1)}-${two(when.getDate())}`
  return when.getFullYear() === today.getFullYear() ? `${day} ${time}` : `${when.getFullYear()}-${day} ${time}`
}

/** Whole seconds until `until`; negative once it is past. Rounded up, so that 0 means that it is over. */
export function secondsUntil(until: string, nowMs: number): number {
  return Math.ceil((Date.parse(until) - nowMs) / 1000)
}

/** `0:07`, `12:30`, `2:05:00`; days are said in words elsewhere. */
export function countdown(seconds: number): string {
  const left = Math.max(0, Math.trunc(seconds))
  const hours = Math.floor(left / 3600)
  const minutes = Math.floor((left % 3600) / 60)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(left % 60)}` : `${minutes}:${two(left % 60)}`
}
