// `/api/v1/alerts`
import type { Alert, Verdict } from '../domain/alert'
import { fetchJson, query, type List } from './http'

export function listAlerts(asked: { state?: readonly string[]; ended?: boolean; limit?: number }): Promise<List<Alert>> {
  return fetchJson<List<Alert>>(`/alerts${query(asked)}`)
}

export function getAlert(id: string): Promise<Alert> {
  return fetchJson<Alert>(`/alerts/${encodeURIComponent(id)}`)
}

/** Without a revision: a further sighting changes the alert, but not whether somebody attends to it. */
export function acknowledge(alert: Alert): Promise<Alert> {
  return fetchJson<Alert>(`/alerts/${alert.id}/acknowledge`, { method: 'POST', json: {} })
}

export interface Judgement {
  verdict: Verdict
  reason: string
  into_event?: string
}

export function assess(alert: Alert, judgement: Judgement): Promise<Alert> {
  const json = { ...judgement, revision: alert.revision }
  return fetchJson<Alert>(`/alerts/${alert.id}/assess`, { method: 'POST', json })
}
