// `/api/v1/cameras/connections`: cameras on record connected many at a time.
import { fetchJson, query } from './http'

export interface ConnectionJob {
  id: string
  state: 'running' | 'done' | 'cancelled' | 'failed'
  detail: string | null
  detail_en: string | null
  total: number
  connected: number
  left_alone: number
  failed: number
  started_by: string
  started_at: string
}

export interface ConnectionResult {
  code: string
  name: string
  outcome: 'connected' | 'left_alone' | 'failed'
  reason: string | null
  detail: string | null
  detail_en: string | null
}

export interface ConnectionShown extends ConnectionJob {
  results: ConnectionResult[]
  results_total: number
}

const DOORS = '/cameras/connections'
const MOST_SHOWN = 200

export function startConnections(which: 'awaiting' | 'failed'): Promise<ConnectionJob> {
  return fetchJson<ConnectionJob>(DOORS, { method: 'POST', json: { which } })
}

/** The newest first. */
export async function listConnections(): Promise<ConnectionJob[]> {
  return (await fetchJson<{ items: ConnectionJob[] }>(DOORS)).items
}

/** With the cameras that failed. */
export function getConnections(id: string): Promise<ConnectionShown> {
  return fetchJson<ConnectionShown>(`${DOORS}/${encodeURIComponent(id)}${query({ outcome: 'failed', limit: MOST_SHOWN })}`)
}

export async function cancelConnections(id: string): Promise<void> {
  await fetchJson(`${DOORS}/${encodeURIComponent(id)}`, { method: 'DELETE' })
}

/** How many cameras wait to be connected. */
export async function countAwaiting(): Promise<number> {
  return (await fetchJson<{ total: number }>(`/cameras${query({ status: 'awaiting', limit: 1 })}`)).total
}
