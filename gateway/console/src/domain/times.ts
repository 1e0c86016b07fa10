// Times as the duty desk shows them: in the zone that records and numbers go by (Asia/Shanghai), wherever the machine
// thinks it is; lengths in the shortest form that is still exact.

const two = (value: number): string => String(value).padStart(2, '0')

const civil = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'Asia/Shanghai',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})

interface Civil {
  year: string
  day: string
  time: string
}

function civilTime(ms: number): Civil {
  const parts = Object.fromEntries(civil.formatToParts(ms).map((part) => [part.type, part.value]))
  return {
    year: parts.year ?? '',
    day: `${parts.month}-${parts.day}`,
    time: `${parts.hour}:${parts.minute}:${parts.second}`,
  }
}

/** `09:05:07`, with the day before it when that is not today. */
export function clockTime(at: string, nowMs: number): string {
  const ms = Date.parse(at)
  if (Number.isNaN(ms)) return at
  const when = civilTime(ms)
  const today = civilTime(nowMs)
  if (when.year !== today.year) return `${when.year}-${when.day} ${when.time}`
  return when.day === today.day ? when.time : `${when.day} ${when.time}`
}

/** The day of a moment, `2026-02-13`. */
export function civilDay(ms: number): string {
  const { year, day } = civilTime(ms)
  return `${year}-${day}`
}

/** The bounds of a day as moments: the city keeps one offset all year. */
export function dayBounds(day: string): [string, string] {
  return [`${day}T00:00:00+08:00`, `${day}T23:59:59.999+08:00`]
}

/** `09:05:07`, of a moment whose day is said already. */
export function timeOfDay(at: string): string {
  const ms = Date.parse(at)
  return Number.isNaN(ms) ? at : civilTime(ms).time
}

/** `2026-01-02 09:05:07`. */
export function wholeTime(ms: number): string {
  const { year, day, time } = civilTime(ms)
  return `${year}-${day} ${time}`
}

/** The length of an offset, whichever its sign; of one of hours the seconds mean nothing, for clocks tell whole ones. */
export function offsetParts(seconds: number): { hours: number; minutes: number; seconds: number } {
  const exact = Math.round(Math.abs(seconds))
  const whole = exact >= 3600 ? Math.round(exact / 60) * 60 : exact
  return { hours: Math.floor(whole / 3600), minutes: Math.floor((whole % 3600) / 60), seconds: whole % 60 }
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
