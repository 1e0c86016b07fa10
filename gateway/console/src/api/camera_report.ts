// `/api/v1/statistics/camera-health`: online rate and picture quality by platform and day.
import { fetchJson, query, send } from './http'

/** In seconds of all cameras together; `value` null where nothing was watched. */
export interface Rate {
  name: string
  numerator: number
  denominator: number
  value: number | null
}

export interface HealthDay {
  platform: string
  platform_name: string
  day: string
  cameras: number
  rates: Rate[]
  /** How many cameras were in a state at some time of the day. */
  affected: Record<string, number>
}

export interface HealthReport {
  since: string
  until: string
  items: HealthDay[]
}

const DOOR = '/statistics/camera-health'

export function getHealthReport(since: string): Promise<HealthReport> {
  return fetchJson<HealthReport>(`${DOOR}${query({ since })}`)
}

export async function exportHealthReport(since: string, form: 'csv' | 'xlsx'): Promise<{ content: Blob; name: string }> {
  const answer = await send(`${DOOR}${query({ since, form })}`)
  const name = /filename="([^"]+)"/.exec(answer.headers.get('content-disposition') ?? '')?.[1]
  return { content: await answer.blob(), name: name ?? `camera-health.${form}` }
}
