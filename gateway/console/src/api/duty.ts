// `/api/v1/duty`, `/api/v1/reports`, `/api/v1/report-plans`
import type { Handover, LogEntry, Report, ReportKind, ReportPlan, Shift, Summary } from '../domain/duty'
import { API, fetchJson, query, send } from './http'

export interface Log {
  since: string
  until: string
  items: LogEntry[]
  more: boolean
}

export interface LogAsked {
  since?: string
  until?: string
  kind?: readonly string[]
  offset?: number
  limit?: number
}

export function readLog(asked: LogAsked): Promise<Log> {
  return fetchJson<Log>(`/duty/log${query({ ...asked })}`)
}

export function logFile(asked: LogAsked): string {
  return `${API}/duty/log.xlsx${query({ ...asked })}`
}

export function writeNote(text: string, corrects: string | null): Promise<LogEntry> {
  return fetchJson<LogEntry>('/duty/log', { method: 'POST', json: { text, corrects } })
}

export function listShifts(): Promise<Shift[]> {
  return fetchJson<Shift[]>('/duty/shifts')
}

export function addShift(shift: { username: string; post: string; starts_at: string; ends_at: string }): Promise<Shift> {
  return fetchJson<Shift>('/duty/shifts', { method: 'POST', json: shift })
}

export async function removeShift(id: string): Promise<void> {
  await send(`/duty/shifts/${id}`, { method: 'DELETE' })
}

export function readSummary(): Promise<Summary> {
  return fetchJson<Summary>('/duty/summary')
}

export function listHandovers(): Promise<Handover[]> {
  return fetchJson<Handover[]>('/duty/handovers')
}

export function giveHandover(to: string, remarks: string): Promise<Handover> {
  return fetchJson<Handover>('/duty/handovers', { method: 'POST', json: { to, remarks } })
}

export function answerHandover(id: string, answer: 'sign' | 'refuse', opinion: string): Promise<Handover> {
  return fetchJson<Handover>(`/duty/handovers/${id}/${answer}`, { method: 'POST', json: { opinion } })
}

export function handoverFile(id: string): string {
  return `${API}/duty/handovers/${id}.xlsx`
}

export function listReports(): Promise<Report[]> {
  return fetchJson<Report[]>('/reports')
}

export function askReport(kind: ReportKind, day: string): Promise<Report> {
  return fetchJson<Report>('/reports', { method: 'POST', json: { kind, day } })
}

export function reportFile(id: string): string {
  return `${API}/reports/${id}.xlsx`
}

export function listReportPlans(): Promise<ReportPlan[]> {
  return fetchJson<ReportPlan[]>('/report-plans')
}

export function putReportPlan(kind: ReportKind): Promise<ReportPlan> {
  return fetchJson<ReportPlan>('/report-plans', { method: 'PUT', json: { kind } })
}

export async function removeReportPlan(id: string): Promise<void> {
  await send(`/report-plans/${id}`, { method: 'DELETE' })
}
