// Alerts and events of the duty desk: fetched, then kept up to date by the live stream for as long as one is signed in.
import { computed, readonly, ref, shallowRef } from 'vue'
import { listAlerts } from '../api/alerts'
import { listEvents } from '../api/events'
import { asProblem, type Problem } from '../api/problem'
import type { Alert } from '../domain/alert'
import { undecided, wantsAttention } from '../domain/alert'
import type { GridEvent } from '../domain/event'
import { onSignedOut, may } from '../session/session'
import { refetched, withRecord, type Revised, type Shape } from './records'
import { onResync, onTopic, type Topic } from './stream'

const ALERTS: Shape<Alert> = { key: (one) => one.id, rank: (one) => one.raised_at, most: 300 }
const EVENTS: Shape<GridEvent> = { key: (one) => one.no, rank: (one) => one.reported_at, most: 300 }
const PAGE = 100

/** One live list: what it holds, whether it has been fetched at all, and what went wrong the last time. */
class LiveList<T extends Revised> {
  readonly records = shallowRef<readonly T[]>([])
  readonly loaded = ref(false)
  readonly problem = shallowRef<Problem | null>(null)
  private heard = new Set<string>()
  private running: Promise<void> | null = null
  private outdated = false
  private generation = 0

  constructor(
    private readonly shape: Shape<T>,
    private readonly fetchAll: () => Promise<readonly T[]>,
    /** Told of what a fetch after the first one brings that nobody had heard of. */
    private readonly missed: (record: T) => void = () => undefined,
  ) {}

  put(record: T): void {
    this.heard.add(this.shape.key(record))
    this.records.value = withRecord(this.shape, this.records.value, record)
  }

  find(key: string): T | undefined {
    return this.records.value.find((one) => this.shape.key(one) === key)
  }

  /** Asked for again while a fetch runs, it is fetched once more after it: the running one may have read too early. */
  load(): Promise<void> {
    if (this.running !== null) this.outdated = true
    this.running ??= this.fetch().finally(() => (this.running = null))
    return this.running
  }

  private async fetch(): Promise<void> {
    do {
      this.outdated = false
      this.heard.clear()
      const generation = this.generation
      try {
        const fetched = await this.fetchAll()
        if (generation !== this.generation) continue
        const before = new Set(this.records.value.map(this.shape.key))
        this.records.value = refetched(this.shape, this.records.value, fetched, this.heard)
        const unheard = this.loaded.value ? this.records.value.filter((one) => !before.has(this.shape.key(one))) : []
        this.loaded.value = true
        this.problem.value = null
        for (const one of unheard) this.missed(one)
      } catch (error) {
        if (generation === this.generation) this.problem.value = asProblem(error)
      }
    } while (this.outdated)
  }

  forget(): void {
    this.generation += 1
    this.records.value = []
    this.loaded.value = false
    this.problem.value = null
  }
}

async function openAndRecentAlerts(): Promise<Alert[]> {
  const [open, lasting, recent] = await Promise.all([
    listAlerts({ state: ['detected', 'acknowledged'], limit: PAGE }),
    listAlerts({ state: ['auto_promoted'], ended: false, limit: PAGE }),
    listAlerts({ limit: PAGE }),
  ])
  const found = new Map([...recent.items, ...lasting.items, ...open.items].map((one) => [one.id, one]))
  return [...found.values()]
}

async function openAndRecentEvents(): Promise<GridEvent[]> {
  const [open, recent] = await Promise.all([listEvents({ open: true, limit: PAGE }), listEvents({ limit: PAGE })])
  const found = new Map([...recent.items, ...open.items].map((one) => [one.no, one]))
  return [...found.values()]
}

const raised = new Set<(alert: Alert) => void>()

function ring(alert: Alert): void {
  for (const callback of raised) callback(alert)
}

/** An alert raised while the line was gone rings when it is back, unless it has been decided meanwhile. */
const alertList = new LiveList(ALERTS, openAndRecentAlerts, (alert) => {
  if (wantsAttention(alert)) ring(alert)
})
const eventList = new LiveList(EVENTS, openAndRecentEvents)

export const alerts = computed(() => alertList.records.value)
export const alertsLoaded = readonly(alertList.loaded)
export const alertsProblem = computed(() => alertList.problem.value)
export const events = computed(() => eventList.records.value)
export const eventsLoaded = readonly(eventList.loaded)
export const eventsProblem = computed(() => eventList.problem.value)
export const waitingAlerts = computed(() => alertList.records.value.filter(wantsAttention))
export const undecidedCount = computed(() => alertList.records.value.filter(undecided).length)

export function noteAlert(alert: Alert): void {
  alertList.put(alert)
}

const opened = shallowRef<GridEvent | null>(null)

export function noteEvent(event: GridEvent): void {
  eventList.put(event)
  if (opened.value?.no === event.no && opened.value.revision <= event.revision) opened.value = event
}

/** The event that is looked at, which may be older than the list goes. */
export function noteOpened(event: GridEvent): void {
  if (opened.value?.no !== event.no || opened.value.revision <= event.revision) opened.value = event
  if (eventList.find(event.no) !== undefined) eventList.put(event)
}

/** The event as it was last heard of. */
export function eventOf(no: string): GridEvent | null {
  const listed = eventList.find(no)
  const looked = opened.value?.no === no ? opened.value : undefined
  if (listed === undefined || looked === undefined) return listed ?? looked ?? null
  return listed.revision >= looked.revision ? listed : looked
}

export function loadDesk(): void {
  if (may('alerts.read')) void alertList.load()
  if (may('events.read')) void eventList.load()
}

/** Told of each alert that is raised while the page is open. */
export function onRaised(callback: (alert: Alert) => void): () => void {
  raised.add(callback)
  return () => raised.delete(callback)
}

function heardAlert(record: unknown, topic: Topic): void {
  const alert = record as Alert
  const known = alertList.find(alert.id) !== undefined
  noteAlert(alert)
  if (topic === 'alert.raised' && !known) ring(alert)
}

onTopic('alert.raised', heardAlert)
onTopic('alert.changed', heardAlert)
onTopic('event.opened', (record) => noteEvent(record as GridEvent))
onTopic('event.changed', (record) => noteEvent(record as GridEvent))
onResync(loadDesk)
onSignedOut(() => {
  alertList.forget()
  eventList.forget()
  opened.value = null
})
