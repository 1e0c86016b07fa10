// The duty log, shifts, handovers and reports as the gateway shows them.

export interface LogEntry {
  at: string
  id: string
  kind: string
  platform: string
  who: string
  zh: string
  en: string
  subject: string
  drill: boolean
  corrects: string | null
}

const nameOf = (one: LogEntry): string => `${one.kind}${one.id}`

/** The log as read anew, and what had been read further back. Where the two do not meet, what lies between is unknown. */
export function withNewest(before: readonly LogEntry[], newest: readonly LogEntry[]): readonly LogEntry[] {
  const known = new Set(newest.map(nameOf))
  const last = newest.at(-1)
  if (last === undefined || !before.some((one) => known.has(nameOf(one)))) return newest
  return [...newest, ...before.filter((one) => !known.has(nameOf(one)) && Date.parse(one.at) <= Date.parse(last.at))]
}

/** The log read further back; what was written meanwhile moved the pages, so some may be there already. */
export function withOlder(before: readonly LogEntry[], older: readonly LogEntry[]): readonly LogEntry[] {
  const known = new Set(before.map(nameOf))
  return [...before, ...older.filter((one) => !known.has(nameOf(one)))]
}

export interface Shift {
  id: string
  platform: string
  username: string
  post: string
  starts_at: string
  ends_at: string
  made_by: string
}

export interface SummaryPart {
  total: number
  items: Record<string, string | boolean | null>[]
}

export interface Summary {
  at: string
  events_open: number
  events_by_state: Record<string, number>
  overdue: SummaryPart
  due_soon: SummaryPart
  suspended: SummaryPart
  alerts_unassessed: SummaryPart
  cameras_down: SummaryPart
  rooms_open: SummaryPart
  modes: SummaryPart
}

export const PARTS = ['overdue', 'due_soon', 'suspended', 'alerts_unassessed', 'cameras_down', 'rooms_open', 'modes'] as const

export interface Handover {
  id: string
  platform: string
  given_by: string
  given_at: string
  since: string
  remarks: string
  summary: Summary
  received_by: string
  state: 'given' | 'signed' | 'refused'
  received_at: string | null
  opinion: string
}

export type ReportKind = 'daily' | 'weekly' | 'monthly'

export interface Report {
  id: string
  platform: string
  kind: ReportKind
  since: string
  until: string
  asked_by: string
  asked_at: string
  state: 'wanted' | 'made' | 'failed'
  reason: string | null
  made_at: string | null
  size: number | null
}

export interface ReportPlan {
  id: string
  platform: string
  kind: ReportKind
  minutes: number
  made_by: string
}

/** What one line of a summary says, shortest first. */
export function lineOf(item: Record<string, string | boolean | null>): string {
  const named = ['no', 'class_name', 'camera_name', 'code', 'name', 'title', 'number', 'platform', 'reason', 'department']
  return named.map((key) => item[key]).filter((value) => typeof value === 'string' && value !== '').join(' · ')
}
