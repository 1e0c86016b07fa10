// The report over all cameras' health: its days summed to one rate, and the faults that are counted. Pure.
import type { HealthDay } from '../api/camera_report'

/** Worst first, as the table's columns stand. */
export const FAULTS = [
  'offline', 'auth_failed', 'stalled', 'frozen', 'covered', 'moved', 'blurred', 'dark', 'clock_skewed',
] as const

/** A rate over several days is that of their sums, never the mean of their rates; null where nothing was watched. */
export function overall(days: readonly HealthDay[], name: string): number | null {
  let numerator = 0
  let denominator = 0
  for (const day of days)
    for (const rate of day.rates)
      if (rate.name === name) {
        numerator += rate.numerator
        denominator += rate.denominator
      }
  return denominator > 0 ? numerator / denominator : null
}

export function rateOf(day: HealthDay, name: string): number | null {
  return day.rates.find((rate) => rate.name === name)?.value ?? null
}

/** Never rounded up to a whole: 99.996 % is not all. */
export function percent(value: number | null): string {
  if (value === null) return '—'
  return value >= 1 ? '100%' : `${(Math.floor(value * 1000) / 10).toFixed(1)}%`
}
