// A rule of a camera (detectors/rules/config.py) as far as the console shows it.
/** From and to as HH:MM, in the city's own time. */
export type Hours = readonly [string, string]

interface Common {
  zone: string
  polygon: unknown[]
  exclusions: unknown[]
  hours: Hours[]
  min_score: number
  enabled: boolean
}

export type Rule =
  | (Common & { kind: 'fire'; seen_seconds: number; window_seconds: number; smoke: boolean })
  | (Common & { kind: 'crowd'; people: number; dwell_seconds: number })
  | (Common & { kind: 'stall'; dwell_seconds: number; attended_only: boolean; permitted: unknown[] })
