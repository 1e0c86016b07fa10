// The console's pages. Whoever is not signed in sees the sign-in page and comes back to where they wanted to go.
import { createRouter, createWebHistory, type RouteLocationRaw } from 'vue-router'
import { may, onSignedOut, restoreSession, type Permission } from './session'

declare module 'vue-router' {
  interface RouteMeta {
    /** What the page needs; without it the sign-in is enough. */
    permission?: Permission
    /** For those who are not signed in. */
    open?: boolean
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/login', name: 'login', component: () => import('../pages/LoginPage.vue'), meta: { open: true } },
    { path: '/join', name: 'join', component: () => import('../pages/JoinPage.vue'), meta: { open: true } },
    {
      path: '/',
      component: () => import('../components/ConsoleFrame.vue'),
      children: [
        // Where it leads is known only after the session has been asked for, so the guard below decides.
        { path: '', name: 'home', component: () => import('../pages/NothingPage.vue') },
        {
          path: 'duty/:no?',
          name: 'duty',
          component: () => import('../pages/DutyPage.vue'),
          meta: { permission: 'events.read' },
        },
        {
          path: 'cameras',
          name: 'cameras',
          component: () => import('../pages/CamerasPage.vue'),
          meta: { permission: 'cameras.read' },
        },
        {
          path: 'rooms',
          name: 'rooms',
          component: () => import('../pages/RoomsPage.vue'),
          meta: { permission: 'rooms.read' },
        },
        {
          path: 'rooms/:id',
          name: 'room',
          component: () => import('../pages/RoomPage.vue'),
          props: true,
          meta: { permission: 'rooms.read' },
        },
        {
          path: 'shift/:tab?',
          name: 'shift',
          component: () => import('../pages/ShiftPage.vue'),
          meta: { permission: 'mode.read' },
        },
        {
          path: 'rooms/:id/minutes',
          name: 'minutes',
          component: () => import('../pages/MinutesPage.vue'),
          props: true,
          meta: { permission: 'rooms.read' },
        },
        {
          path: 'room-plans',
          name: 'plans',
          component: () => import('../pages/PlansPage.vue'),
          meta: { permission: 'rooms.plan' },
        },
        {
          path: 'receivers',
          name: 'receivers',
          component: () => import('../pages/ReceiversPage.vue'),
          meta: { permission: 'receivers.read' },
        },
        {
          path: 'models',
          name: 'models',
          component: () => import('../pages/ModelsPage.vue'),
          meta: { permission: 'models.read' },
        },
        {
          path: 'map',
          name: 'map',
          component: () => import('../pages/EventMapPage.vue'),
          meta: { permission: 'events.read' },
        },
        {
          path: 'statistics',
          name: 'statistics',
          component: () => import('../pages/StatisticsPage.vue'),
          meta: { permission: 'statistics.read' },
        },
        {
          path: 'grid/:tab?',
          name: 'grid',
          component: () => import('../pages/GridPage.vue'),
          meta: { permission: 'dispatch.read' },
        },
        {
          path: 'terminals',
          name: 'terminals',
          component: () => import('../pages/TerminalsPage.vue'),
          meta: { permission: 'terminals.read' },
        },
        { path: 'nothing', name: 'nothing', component: () => import('../pages/NothingPage.vue') },
      ],
    },
    { path: '/:rest(.*)*', redirect: '/' },
  ],
})

/** The first page that the roles open. */
function home(): RouteLocationRaw {
  if (may('events.read')) return { name: 'duty' }
  if (may('cameras.read')) return { name: 'cameras' }
  if (may('rooms.read')) return { name: 'rooms' }
  return { name: 'nothing' }
}

router.beforeEach(async (to) => {
  const signedIn = await restoreSession().catch(() => false)
  if (to.meta.open) return signedIn ? home() : true
  if (!signedIn) return { name: 'login', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
  if (to.name === 'home') return home()
  if (to.meta.permission !== undefined && !may(to.meta.permission)) return { name: 'nothing' }
  return true
})

/** After an upgrade, pages that were not opened yet have other files: the console is fetched anew, once, if it is there. */
const ANEW = 'gateway.fetched_anew'
const ANEW_MS = 10_000
router.onError(async (_error: unknown, to) => {
  if (Date.now() - Number(sessionStorage.getItem(ANEW)) < ANEW_MS) return
  const there = await fetch('/healthz', { cache: 'no-store' }).then((answer) => answer.ok, () => false)
  if (!there) return
  sessionStorage.setItem(ANEW, String(Date.now()))
  location.assign(to.fullPath)
})

onSignedOut(() => {
  const here = router.currentRoute.value
  if (here.name !== 'login') void router.replace({ name: 'login', query: { next: here.fullPath } })
})
