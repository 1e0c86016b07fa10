// `/api/v1/alerts`
import type { Alert, Verdict } from '../domain/alert'
import { fetchJson, query, type List } from './http'

export interface AlertsAsked {
  state?: readonly string[]
  ended?: boolean
  event_no?: string
  limit?: number
}

export function listAlerts(asked: AlertsAsked): Promise<List<Alert>> {
  return fetchJson<List<Alert>>(`/alerts${query({ ...asked })}`)
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
