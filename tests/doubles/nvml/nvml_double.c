/* Test double of libnvidia-ml.so.1. Its state is one mapped file, named by NVML_DOUBLE_STATE, so that a test
 * changes what a separate sampler process sees while it runs. Layout: state.py holds the same structures.
 * Entry points that are not written here answer NOT_SUPPORTED; build.py generates them from pynvml's list. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_DEVICES = 16, MAX_PROCESSES = 8, MAX_REFUSED = 32 };
enum { OK, UNINITIALIZED, INVALID, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 6, TOO_SMALL, DRIVER_NOT_LOADED = 9,
       TIMEOUT = 10, LOST = 15, VERSION = 25 };
typedef int R;

struct device {
  char name[96], uuid[96], bus_id[32];
  int32_t error; /* what every call on this GPU answers, unless 0 */
  uint32_t busy, memory_busy, samples_empty;
  uint64_t memory_total, memory_used, memory_reserved;
  uint32_t power_mw, power_limit_mw, temperature_c, sm_mhz, memory_mhz, mig, gpm_supported, process_count;
  uint64_t energy_mj, reasons, pcie_tx_bytes, pcie_rx_bytes, nvlink_tx_kib, nvlink_rx_kib, xid;
  double gpm[64];
  uint32_t pids[MAX_PROCESSES], sm_percent[MAX_PROCESSES];
  uint64_t process_bytes[MAX_PROCESSES];
};
struct state {
  uint32_t devices, init_error, call_delay_us, hang;
  uint64_t calls, pcie_throughput_calls, refused_calls;
  struct { char name[64]; int32_t code; uint32_t unused; } refused[MAX_REFUSED];
  struct device device[MAX_DEVICES];
};
typedef struct device *H;
static struct state *S;
static int initialised;

uint64_t nvml_double_state_size(void) { return sizeof(struct state); }

static struct state *attach(void) {
  const char *path = getenv("NVML_DOUBLE_STATE");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return 0;
  void *map = mmap(0, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return map == MAP_FAILED ? 0 : map;
}
static uint64_t clock_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}
static R enter(const char *call) {
  if (!initialised) return UNINITIALIZED;
  __atomic_add_fetch(&S->calls, 1, __ATOMIC_RELAXED);
  while (S->hang) usleep(1000);
  if (S->call_delay_us) usleep(S->call_delay_us);
  for (int i = 0; i < MAX_REFUSED && S->refused[i].name[0]; i++)
    if (!strcmp(S->refused[i].name, call)) { __atomic_add_fetch(&S->refused_calls, 1, __ATOMIC_RELAXED); return S->refused[i].code; }
  return OK;
}
static R enter_device(const char *call, H h) {
  R r = enter(call);
  if (r) return r;
  if (h < S->device || h >= S->device + S->devices) return INVALID;
  return h->error;
}
#define CALL do { R r_ = enter(__func__); if (r_) return r_; } while (0)
#define DEVICE_CALL(h) do { R r_ = enter_device(__func__, h); if (r_) return r_; } while (0)
static R text(char *to, unsigned size, const char *from) {
  if (strlen(from) + 1 > size) return TOO_SMALL;
  strcpy(to, from);
  return OK;
}

R nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  if (!S) S = attach();
  if (!S) return DRIVER_NOT_LOADED;
  if (S->init_error) return S->init_error;
  initialised++;
  return OK;
}
R nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
R nvmlShutdown(void) { if (!initialised) return UNINITIALIZED; initialised--; return OK; }
const char *nvmlErrorString(R r) {
  switch (r) {
    case OK: return "Success"; case UNINITIALIZED: return "Uninitialized"; case INVALID: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported"; case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found"; case DRIVER_NOT_LOADED: return "Driver Not Loaded"; case TIMEOUT: return "Timeout";
    case LOST: return "GPU is lost"; case VERSION: return "Argument version mismatch";
  }
  return "Unknown Error";
}
R nvmlSystemGetDriverVersion(char *to, unsigned size) { CALL; return text(to, size, "999.0-double"); }
R nvmlSystemGetNVMLVersion(char *to, unsigned size) { CALL; return text(to, size, "13.999.0-double"); }
R nvmlSystemGetCudaDriverVersion_v2(int *v) { CALL; *v = 13000; return OK; }
R nvmlDeviceGetCount_v2(unsigned *n) { CALL; *n = S->devices; return OK; }
R nvmlDeviceGetHandleByIndex_v2(unsigned i, H *h) {
  CALL;
  if (i >= S->devices) return INVALID;
  if (S->device[i].error == LOST) return LOST;
  *h = S->device + i;
  return OK;
}
R nvmlDeviceGetHandleByUUID(const char *uuid, H *h) {
  CALL;
  for (unsigned i = 0; i < S->devices; i++)
    if (!strcmp(uuid, S->device[i].uuid)) { *h = S->device + i; return OK; }
  return NOT_FOUND;
}
R nvmlDeviceGetIndex(H h, unsigned *i) { DEVICE_CALL(h); *i = h - S->device; return OK; }
R nvmlDeviceGetName(H h, char *to, unsigned size) { DEVICE_CALL(h); return text(to, size, h->name); }
R nvmlDeviceGetUUID(H h, char *to, unsigned size) { DEVICE_CALL(h); return text(to, size, h->uuid); }
typedef struct { char legacy[16]; unsigned domain, bus, device, device_id, subsystem; char bus_id[32]; } Pci;
R nvmlDeviceGetPciInfo_v3(H h, Pci *pci) {
  DEVICE_CALL(h);
  memset(pci, 0, sizeof *pci);
  strncpy(pci->bus_id, h->bus_id, 31);
  strncpy(pci->legacy, h->bus_id + 4, 15);
  pci->bus = h - S->device + 1;
  return OK;
}
R nvmlDeviceGetUtilizationRates(H h, unsigned to[2]) {
  DEVICE_CALL(h);
  if (h->mig) return NOT_SUPPORTED;
  to[0] = h->busy, to[1] = h->memory_busy;
  return OK;
}
R nvmlDeviceGetMemoryInfo(H h, uint64_t to[3]) {
  DEVICE_CALL(h);
  to[0] = h->memory_total, to[2] = h->memory_used + h->memory_reserved, to[1] = to[0] - to[2];
  return OK;
}
typedef struct { unsigned version; uint64_t total, reserved, free, used; } Memory2;
R nvmlDeviceGetMemoryInfo_v2(H h, Memory2 *to) {
  DEVICE_CALL(h);
  if (to->version != (sizeof(Memory2) | 2u << 24)) return VERSION;
  to->total = h->memory_total, to->reserved = h->memory_reserved, to->used = h->memory_used;
  to->free = to->total - to->used - to->reserved;
  return OK;
}
R nvmlDeviceGetPowerUsage(H h, unsigned *to) { DEVICE_CALL(h); *to = h->power_mw; return OK; }
R nvmlDeviceGetPowerManagementLimit(H h, unsigned *to) { DEVICE_CALL(h); *to = h->power_limit_mw; return OK; }
R nvmlDeviceGetEnforcedPowerLimit(H h, unsigned *to) { DEVICE_CALL(h); *to = h->power_limit_mw; return OK; }
R nvmlDeviceGetTotalEnergyConsumption(H h, uint64_t *to) { DEVICE_CALL(h); *to = h->energy_mj; return OK; }
R nvmlDeviceGetTemperature(H h, int sensor, unsigned *to) {
  DEVICE_CALL(h);
  if (sensor) return INVALID;
  *to = h->temperature_c;
  return OK;
}
typedef struct { unsigned version; int sensor, degrees; } Temperature1;
R nvmlDeviceGetTemperatureV(H h, Temperature1 *to) {
  DEVICE_CALL(h);
  if (to->version != (sizeof(Temperature1) | 1u << 24)) return VERSION;
  to->degrees = h->temperature_c;
  return OK;
}
R nvmlDeviceGetClockInfo(H h, int kind, unsigned *to) { DEVICE_CALL(h); *to = kind == 2 ? h->memory_mhz : h->sm_mhz; return OK; }
R nvmlDeviceGetMaxClockInfo(H h, int kind, unsigned *to) { DEVICE_CALL(h); *to = kind == 2 ? 2619 : 1980; return OK; }
R nvmlDeviceGetCurrentClocksEventReasons(H h, uint64_t *to) { DEVICE_CALL(h); *to = h->reasons; return OK; }
R nvmlDeviceGetCurrentClocksThrottleReasons(H h, uint64_t *to) { DEVICE_CALL(h); *to = h->reasons; return OK; }
R nvmlDeviceGetPcieThroughput(H h, int counter, unsigned *to) {
  DEVICE_CALL(h);
  (void)counter;
  __atomic_add_fetch(&S->pcie_throughput_calls, 1, __ATOMIC_RELAXED);
  usleep(20000); /* as the real one: it measures for 20 ms */
  *to = 0;
  return OK;
}
R nvmlDeviceGetMigMode(H h, unsigned *now, unsigned *pending) { DEVICE_CALL(h); *now = *pending = h->mig; return OK; }

typedef union { double d; unsigned u; uint64_t ull; } Value;
typedef struct { unsigned id, scope; int64_t time, latency; int type; R result; Value value; } Field;
R nvmlDeviceGetFieldValues(H h, int n, Field *fields) {
  DEVICE_CALL(h);
  for (Field *f = fields; f < fields + n; f++) {
    f->time = clock_us(), f->latency = 1, f->result = OK, f->type = 3;
    uint64_t none = UINT64_MAX;
    switch (f->id) {
      case 83: f->value.ull = h->energy_mj; break;
      case 138: f->value.ull = f->scope == UINT32_MAX ? h->nvlink_tx_kib : none; break;
      case 139: f->value.ull = f->scope == UINT32_MAX ? h->nvlink_rx_kib : none; break;
      case 197: f->value.ull = h->pcie_tx_bytes; break;
      case 198: f->value.ull = h->pcie_rx_bytes; break;
      default: f->result = NOT_SUPPORTED;
    }
    if (f->result == OK && f->value.ull == none) f->result = NOT_SUPPORTED;
  }
  return OK;
}

/* The driver's buffer: a utilization sample each 1/6 s, whose clock starts anywhere. */
typedef struct { uint64_t time; Value value; } Sample;
R nvmlDeviceGetSamples(H h, int kind, uint64_t after, int *type, unsigned *n, Sample *to) {
  DEVICE_CALL(h);
  if (kind > 1 || (h->mig && kind)) return NOT_SUPPORTED;
  *type = 1;
  unsigned size = kind ? 100 : 120, step = kind ? 166667 : 20000, found = 0;
  if (!to) { *n = size; return OK; }
  if (h->samples_empty) return NOT_FOUND;
  uint64_t newest = clock_us() / step;
  for (uint64_t tick = newest - size + 1; tick <= newest && found < *n; tick++) {
    if (tick * step <= after) continue;
    to[found].time = tick * step, to[found].value.ull = 0;
    to[found++].value.u = kind ? h->busy : h->power_mw;
  }
  *n = found;
  return found ? OK : NOT_FOUND;
}

typedef struct { unsigned pid; uint64_t bytes; unsigned gpu_instance, compute_instance; } Process;
R nvmlDeviceGetComputeRunningProcesses_v3(H h, unsigned *n, Process *to) {
  DEVICE_CALL(h);
  unsigned have = h->process_count;
  if (have && (!to || *n < have)) { *n = have; return TOO_SMALL; }
  for (unsigned i = 0; i < have; i++) to[i] = (Process){h->pids[i], h->process_bytes[i], ~0u, ~0u};
  *n = have;
  return OK;
}
R nvmlDeviceGetGraphicsRunningProcesses_v3(H h, unsigned *n, Process *to) { DEVICE_CALL(h); (void)to; *n = 0; return OK; }
typedef struct { unsigned pid; uint64_t time; unsigned sm, memory, encoder, decoder; } ProcessBusy;
R nvmlDeviceGetProcessUtilization(H h, ProcessBusy *to, unsigned *n, uint64_t after) {
  DEVICE_CALL(h);
  if (h->mig) return NOT_SUPPORTED;
  uint64_t now = clock_us();
  if (after >= now) return NOT_FOUND;
  if (!to || *n < h->process_count) { *n = h->process_count ? h->process_count : 100; return TOO_SMALL; }
  for (unsigned i = 0; i < h->process_count; i++) to[i] = (ProcessBusy){h->pids[i], now, h->sm_percent[i], 0, 0, 0};
  *n = h->process_count;
  return *n ? OK : NOT_FOUND;
}

/* GPM: a value between two samples; under 100 ms apart it is garbage that looks like a value. */
typedef struct { H h; uint64_t time; double values[64]; } GpmSample;
typedef struct { unsigned id; R result; double value; const char *a, *b, *c; } GpmMetric;
typedef struct { unsigned version, n; GpmSample *first, *second; GpmMetric metrics[1]; } GpmAsk;
R nvmlGpmQueryDeviceSupport(H h, unsigned to[2]) { DEVICE_CALL(h); if (to[0] != 1) return VERSION; to[1] = h->gpm_supported; return OK; }
R nvmlGpmSampleAlloc(GpmSample **to) { *to = calloc(1, sizeof **to); return OK; }
R nvmlGpmSampleFree(GpmSample *sample) { free(sample); return OK; }
R nvmlGpmSampleGet(H h, GpmSample *to) {
  DEVICE_CALL(h);
  if (!h->gpm_supported) return NOT_SUPPORTED;
  to->h = h, to->time = clock_us();
  memcpy(to->values, h->gpm, sizeof to->values);
  return OK;
}
R nvmlGpmMetricsGet(GpmAsk *ask) {
  CALL;
  if (ask->version != 1) return VERSION;
  if (!ask->first || !ask->second || !ask->first->h || ask->first->h != ask->second->h) return INVALID;
  int64_t apart_us = ask->second->time - ask->first->time;
  for (unsigned i = 0; i < ask->n; i++) {
    GpmMetric *m = &ask->metrics[i];
    m->a = m->b = m->c = 0;
    m->result = m->id && m->id < 64 ? OK : NOT_SUPPORTED;
    if (m->result == OK) m->value = apart_us >= 100000 ? ask->second->values[m->id] : m->id < 20 ? NAN : 0.0;
  }
  return OK;
}

R nvmlEventSetCreate(void **to) { CALL; *to = calloc(1, 8); return OK; }
R nvmlEventSetFree(void *set) { free(set); return OK; }
R nvmlDeviceGetSupportedEventTypes(H h, uint64_t *to) { DEVICE_CALL(h); *to = 0x1f; return OK; }
R nvmlDeviceRegisterEvents(H h, uint64_t types, void *set) { DEVICE_CALL(h); (void)types; (void)set; return OK; }
typedef struct { H h; uint64_t type, data; unsigned gpu_instance, compute_instance; } Event;
R nvmlEventSetWait_v2(void *set, Event *to, unsigned wait_ms) {
  CALL;
  (void)set;
  for (unsigned waited = 0;; waited++) {
    for (H h = S->device; h < S->device + S->devices; h++)
      if (h->xid) { *to = (Event){h, 8, h->xid, ~0u, ~0u}; h->xid = 0; return OK; }
    if (waited >= wait_ms) return TIMEOUT;
    usleep(1000);
  }
}
