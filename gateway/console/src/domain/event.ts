// Grid events as the gateway shows them, and the steps that state and role allow. The gateway decides; this table only
// keeps the console from offering what would be refused (gateway/events/event_states.py).
import type { Evidence } from './alert'

export interface FlowStep {
  at: string
  from_state: string | null
  to_state: string
  action: string
  operator: string
  opinion: string
}

/** Whose an event is by the dispatch rules, and why. */
export interface Responsible {
  department: string
  department_name: string
  assignee: string | null
  staff_name: string | null
  basis: 'rule' | 'fallback' | 'hub' | 'hand'
  rule_number: number | null
  zh: string
  en: string
}

export interface GridEvent {
  id: string
  no: string
  platform: string
  state: string
  hazard: string
  class_code: string
  class_name: string
  level: number
  warning_colour: string
  category: string
  camera_code: string
  camera_name: string
  zone: string
  grid: string | null
  lng: number | null
  lat: number | null
  address: string
  reported_at: string
  source: string
  reported_by: string
  responsible?: Responsible | null
  department: string | null
  assignee: string | null
  due_at: string | null
  stage: string
  overdue_at: string | null
  handle_due_at: string | null
  handled_late: boolean
  suspension_asked: boolean
  extension_until: string | null
  extensions: number
  reworks: number
  urges: number
  urgent: boolean
  supervised: boolean
  appeal: string
  duplicate_of: string | null
  duplicates: string[]
  closed_at: string | null
  description: string
  alert_ids: string[]
  evidence: Evidence[]
  snapshot_wanting: string | null
  flow: FlowStep[]
  drill: boolean
  revision: number
}

/** What a step carries besides its opinion. */
export interface StepMore {
  department?: string
  until?: string
  duplicate_of?: string
}

export interface Step {
  action: string
  needsReason: boolean
  /** Cannot be taken back, so it is asked for once more. */
  final: boolean
  /** Leaves the state as it is, so it is never the usual step. */
  mark: boolean
}

const ENDS = new Set(['not_accepted', 'cancelled', 'closed', 'forced_closed'])

type Way = readonly [action: string, before: string, roles: string, needsReason?: 'reason']

const WAYS: readonly Way[] = [
  ['accept', 'reported', 'duty_officer duty_leader'],
  ['verify', 'reported', 'duty_officer duty_leader'],
  ['verified', 'verifying', 'duty_officer duty_leader grid_member'],
  ['dispatch', 'accepted returned', 'dispatcher'],
  ['sign', 'dispatched', 'department grid_member'],
  ['return', 'dispatched', 'department grid_member', 'reason'],
  ['handle', 'signed rework', 'department grid_member'],
  ['feedback', 'handling', 'department grid_member'],
  ['check', 'feedback', 'checker'],
  ['close', 'checking', 'checker'],
  ['rework', 'checking', 'checker', 'reason'],
  ['resume', 'suspended', 'duty_leader'],
  ['ask_extension', 'signed handling rework', 'department grid_member', 'reason'],
  ['extend', 'signed handling rework', 'duty_leader'],
  ['refuse_extension', 'signed handling rework', 'duty_leader', 'reason'],
  ['ask_suspension', 'handling', 'department grid_member', 'reason'],
  ['suspend', 'handling', 'duty_leader', 'reason'],
  ['refuse_suspension', 'handling', 'duty_leader', 'reason'],
  ['urge', '*', 'duty_officer duty_leader dispatcher'],
  ['supervise', '*', 'duty_leader', 'reason'],
  ['mark_urgent', '*', 'duty_officer duty_leader'],
  ['appeal', 'dispatched signed returned handling suspended feedback checking rework closed forced_closed', 'department grid_member', 'reason'],
  ['approve_appeal', 'dispatched signed returned handling suspended feedback checking rework closed forced_closed', 'duty_leader'],
  ['refuse_appeal', 'dispatched signed returned handling suspended feedback checking rework closed forced_closed', 'duty_leader', 'reason'],
  ['escalate', 'reported accepted', 'duty_leader'],
  ['end_emergency', 'escalated', 'commander', 'reason'],
  ['refuse_escalation', 'escalated', 'commander', 'reason'],
  ['note', '*', 'duty_officer duty_leader dispatcher department grid_member checker commander', 'reason'],
  ['merge_duplicate', 'reported', 'duty_officer duty_leader'],
  ['not_accept', 'reported', 'duty_officer duty_leader', 'reason'],
  ['cancel', 'reported', 'duty_officer duty_leader', 'reason'],
  ['force_close', '*', 'duty_leader', 'reason'],
]
const FINAL = new Set(['not_accept', 'cancel', 'close', 'force_close', 'merge_duplicate'])

const MARKS = new Set(['urge', 'supervise', 'mark_urgent', 'note', 'ask_extension', 'ask_suspension', 'appeal'])

export function isOpen(event: GridEvent): boolean {
  return !ENDS.has(event.state)
}

/** Requests are offered while none waits, decisions while one does. */
function pending(event: GridEvent, action: string): boolean {
  if (action === 'ask_extension') return event.extension_until === null && event.stage !== 'overdue'
  if (action === 'extend' || action === 'refuse_extension') return event.extension_until !== null
  if (action === 'ask_suspension') return !event.suspension_asked
  if (action === 'refuse_suspension') return event.suspension_asked
  if (action === 'appeal') return event.appeal === '' && (event.overdue_at !== null || event.handled_late || event.reworks > 0)
  if (action === 'approve_appeal' || action === 'refuse_appeal') return event.appeal === 'asked'
  return action !== 'mark_urgent' || !event.urgent
}

/** What somebody with these roles may do with the event now, the usual step first. `escalatedBy`: the roles that the
 * mode lets escalate, beside those of the table. */
export function stepsOf(event: GridEvent, roles: readonly string[], escalatedBy: readonly string[] = []): Step[] {
  return WAYS.filter(([action, before, allowed]) => {
    const here = before === '*' ? isOpen(event) : before.split(' ').includes(event.state)
    return here && pending(event, action) && [...allowed.split(' '), ...(action === 'escalate' ? escalatedBy : [])].some((role) => roles.includes(role))
  }).map(([action, , , reason]) => ({
    action,
    needsReason: reason !== undefined,
    final: FINAL.has(action),
    mark: MARKS.has(action),
  }))
}
