// What a camera has recorded, when it records, and what is kept for good.
import { API, fetchJson, query, send } from './http'

export interface Recording {
  id: string
  starts_at: string
  ends_at: string
  /** Bytes. */
  size: number
  /** Cut short, with its true bounds. */
  partial: boolean
  held: boolean
  hold_reason: string | null
}

/** Daily hours, HH:MM to HH:MM, in the city's time. */
export interface RecordingPlan {
  hours: [string, string][]
  retention_days: number | null
}

export type RecordingState = RecordingPlan & { on_demand_until: string | null }

const of = (code: string): string => `/cameras/${encodeURIComponent(code)}/recordings`
const one = (code: string, id: string): string => `${of(code)}/${encodeURIComponent(id)}`

/** Those that overlap with the time between two moments (ISO 8601), oldest first. */
export function listRecordings(code: string, since: string, until: string): Promise<Recording[]> {
  return fetchJson<Recording[]>(of(code) + query({ since, until }))
}

export function getPlan(code: string): Promise<RecordingState> {
  return fetchJson<RecordingState>(`${of(code)}/plan`)
}

export function putPlan(code: string, plan: RecordingPlan): Promise<RecordingState> {
  return fetchJson<RecordingState>(`${of(code)}/plan`, { method: 'PUT', json: plan })
}

export function startRecording(code: string, until: string): Promise<RecordingState> {
  return fetchJson<RecordingState>(`${of(code)}/start`, { method: 'POST', json: { until } })
}

export function stopRecording(code: string): Promise<RecordingState> {
  return fetchJson<RecordingState>(`${of(code)}/stop`, { method: 'POST' })
}

export async function holdRecording(code: string, id: string, reason: string): Promise<void> {
  await send(`${one(code, id)}/hold`, { method: 'PUT', json: { reason } })
}

export async function letGo(code: string, id: string): Promise<void> {
  await send(`${one(code, id)}/hold`, { method: 'DELETE' })
}

/** For a player, which cannot send a header. */
export function recordingUrl(code: string, id: string, grant: string): string {
  return `${API}${one(code, id)}${query({ grant })}`
}
