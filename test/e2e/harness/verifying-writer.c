/*
 * The application that must not notice a failover: writes numbered, self-describing 4 KiB blocks past the page cache, knows each
 * acknowledged write, reads while it writes, and reads everything at the end. Runs in the Linux host; verifying-writer.ts
 * starts it there.
 *
 *   verifying-writer RUN SECONDS DEPTH BLOCKS PACE_US DEVICE...
 *
 * RUN tells this run's blocks from any other's. DEPTH threads per device each own every DEPTH-th of the BLOCKS, so a block
 * has one writer; anybody may read it. A read is right when it shows a write no older than the last that was acknowledged
 * (or that some read has shown) before the read began, and no newer than the last that was issued before it ended. Prints
 * "running" once all blocks are written, stops at SIGTERM or after SECONDS, and then prints one line of JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, WORDS = BLOCK / 8, HEADER = 4, MAX_DEVICES = 16, MAX_COMPLAINTS = 20, MAX_GAPS = 64 };
static const uint64_t MAGIC = 0x616e61676174652eULL; /* "anagate." */
/* Gaps between two acknowledgements of a device that are worth telling. */
static const int64_t TOLD_GAP_US = 100 * 1000;

struct device {
  const char *path;
  int index, fd;
  _Atomic uint64_t *issued, *acked; /* by block: number of the last write that was issued, acknowledged or read */
  pthread_mutex_t lock;             /* of what follows */
  int64_t last_ack_us, longest_gap_us, longest_io_us;
  uint64_t writes, reads, errors, wrong;
  struct { int64_t began_us, lasted_us; } gaps[MAX_GAPS];
  int gap_count;
};

static struct device devices[MAX_DEVICES];
static int device_count, depth, pace_us;
static uint64_t run_id, blocks;
static int64_t began_us;
static atomic_int stopping;
static char complaints[MAX_COMPLAINTS][256];
static int complaint_count;
static pthread_mutex_t complaints_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void complain(const char *format, ...) {
  va_list args;
  pthread_mutex_lock(&complaints_lock);
  if (complaint_count < MAX_COMPLAINTS) {
    char *line = complaints[complaint_count++];
    int used = snprintf(line, sizeof complaints[0], "at %lld ms: ", (long long)((now_us() - began_us) / 1000));
    va_start(args, format);
    vsnprintf(line + used, sizeof complaints[0] - used, format, args);
    va_end(args);
  }
  pthread_mutex_unlock(&complaints_lock);
}

static uint64_t filler(uint64_t device, uint64_t block, uint64_t number, uint64_t word) {
  return (run_id ^ (device << 56) ^ (block << 32) ^ number) * 0x9e3779b97f4a7c15ULL + word * 0xbf58476d1ce4e5b9ULL;
}

static void compose(uint64_t *data, struct device *d, uint64_t block, uint64_t number) {
  data[0] = MAGIC;
  data[1] = run_id;
  data[2] = (uint64_t)d->index << 56 | block;
  data[3] = number;
  for (int i = HEADER; i < WORDS; i++) data[i] = filler(d->index, block, number, i);
}

/* Number of the write that the block shows; reports anything that no write of this block can have left. */
static int64_t number_in(const uint64_t *data, struct device *d, uint64_t block) {
  if (data[0] != MAGIC || data[1] != run_id || data[2] != ((uint64_t)d->index << 56 | block)) {
    complain("%s block %llu shows foreign data: %016llx %016llx %016llx", d->path, (unsigned long long)block,
             (unsigned long long)data[0], (unsigned long long)data[1], (unsigned long long)data[2]);
    return -1;
  }
  for (int i = HEADER; i < WORDS; i++)
    if (data[i] != filler(d->index, block, data[3], i)) {
      complain("%s block %llu is torn: write %llu up to word %d", d->path, (unsigned long long)block,
               (unsigned long long)data[3], i);
      return -1;
    }
  return (int64_t)data[3];
}

static void failed(struct device *d, const char *what, uint64_t block, ssize_t result) {
  complain("%s of %s block %llu: %s", what, d->path, (unsigned long long)block,
           result < 0 ? strerror(errno) : "short");
  pthread_mutex_lock(&d->lock);
  d->errors++;
  pthread_mutex_unlock(&d->lock);
}

static void acknowledged(struct device *d, int64_t issued_us, int is_write) {
  int64_t now = now_us();
  pthread_mutex_lock(&d->lock);
  int64_t gap = now - d->last_ack_us;
  if (gap >= TOLD_GAP_US && d->gap_count < MAX_GAPS) {
    d->gaps[d->gap_count].began_us = d->last_ack_us;
    d->gaps[d->gap_count++].lasted_us = gap;
  }
  if (gap > d->longest_gap_us) d->longest_gap_us = gap;
  if (now - issued_us > d->longest_io_us) d->longest_io_us = now - issued_us;
  d->last_ack_us = now;
  if (is_write) d->writes++; else d->reads++;
  pthread_mutex_unlock(&d->lock);
}

static void raise_to(_Atomic uint64_t *value, uint64_t to) {
  uint64_t seen = atomic_load(value);
  while (seen < to && !atomic_compare_exchange_weak(value, &seen, to)) {}
}

static void write_block(struct device *d, uint64_t *buffer, uint64_t block) {
  uint64_t number = atomic_fetch_add(&d->issued[block], 1) + 1;
  compose(buffer, d, block, number);
  int64_t start = now_us();
  ssize_t done = pwrite(d->fd, buffer, BLOCK, (off_t)block * BLOCK);
  if (done != BLOCK) { failed(d, "write", block, done); return; }
  raise_to(&d->acked[block], number);
  acknowledged(d, start, 1);
}

static void read_block(struct device *d, uint64_t *buffer, uint64_t block) {
  uint64_t least = atomic_load(&d->acked[block]);
  int64_t start = now_us();
  ssize_t done = pread(d->fd, buffer, BLOCK, (off_t)block * BLOCK);
  if (done != BLOCK) { failed(d, "read", block, done); return; }
  uint64_t most = atomic_load(&d->issued[block]);
  int64_t number = number_in(buffer, d, block);
  int right = number >= 0 && (uint64_t)number >= least && (uint64_t)number <= most;
  if (number >= 0 && !right)
    complain("%s block %llu shows write %lld, acknowledged was %llu, issued %llu", d->path, (unsigned long long)block,
             (long long)number, (unsigned long long)least, (unsigned long long)most);
  if (right) raise_to(&d->acked[block], (uint64_t)number);
  acknowledged(d, start, 0);
  if (!right) {
    pthread_mutex_lock(&d->lock);
    d->wrong++;
    pthread_mutex_unlock(&d->lock);
  }
}

struct worker { struct device *device; int number; uint64_t random; pthread_t thread; };

static uint64_t next_random(struct worker *w) {
  w->random ^= w->random << 13; w->random ^= w->random >> 7; w->random ^= w->random << 17;
  return w->random;
}

static uint64_t *new_buffer(void) {
  void *buffer;
  if (posix_memalign(&buffer, BLOCK, BLOCK) != 0) abort();
  return buffer;
}

static void *fill(void *argument) {
  struct worker *w = argument;
  uint64_t *buffer = new_buffer();
  for (uint64_t b = w->number; b < blocks; b += depth) write_block(w->device, buffer, b);
  free(buffer);
  return NULL;
}

static void *work(void *argument) {
  struct worker *w = argument;
  uint64_t *buffer = new_buffer();
  uint64_t own = (blocks - w->number + depth - 1) / depth;
  while (!atomic_load(&stopping)) {
    uint64_t random = next_random(w);
    if (random % 4 == 0) read_block(w->device, buffer, (random >> 8) % blocks);
    else write_block(w->device, buffer, w->number + (random >> 8) % own * depth);
    if (pace_us > 0) usleep(pace_us / 2 + next_random(w) % pace_us);
  }
  free(buffer);
  return NULL;
}

static void *verify(void *argument) {
  struct worker *w = argument;
  uint64_t *buffer = new_buffer();
  for (uint64_t b = w->number; b < blocks; b += depth) read_block(w->device, buffer, b);
  free(buffer);
  return NULL;
}

/* How late this machine itself is: the longest that a short sleep took too long. */
static _Atomic int64_t longest_late_us;

static void *heartbeat(void *argument) {
  (void)argument;
  for (;;) {
    int64_t due = now_us() + 20 * 1000;
    usleep(20 * 1000);
    int64_t late = now_us() - due;
    if (late > atomic_load(&longest_late_us)) atomic_store(&longest_late_us, late);
  }
  return NULL;
}

static void all(struct worker *workers, void *(*job)(void *)) {
  for (int i = 0; i < device_count * depth; i++) pthread_create(&workers[i].thread, NULL, job, &workers[i]);
  for (int i = 0; i < device_count * depth; i++) pthread_join(workers[i].thread, NULL);
}

static void on_stop(int signal_number) {
  (void)signal_number;
  atomic_store(&stopping, 1);
}

static void open_device(struct device *d, const char *path) {
  d->path = path;
  d->index = device_count;
  d->fd = open(path, O_RDWR | O_DIRECT);
  if (d->fd < 0) { perror(path); exit(1); }
  d->issued = calloc(blocks, sizeof *d->issued);
  d->acked = calloc(blocks, sizeof *d->acked);
  pthread_mutex_init(&d->lock, NULL);
}

static void report(void) {
  printf("{\"longestLateMs\":%lld,\"devices\":[", (long long)atomic_load(&longest_late_us) / 1000);
  for (int i = 0; i < device_count; i++) {
    struct device *d = &devices[i];
    printf("%s{\"device\":\"%s\",\"writes\":%llu,\"reads\":%llu,\"errors\":%llu,\"wrong\":%llu,\"longestGapMs\":%lld,"
           "\"longestIoMs\":%lld,\"gaps\":[", i ? "," : "", d->path, (unsigned long long)d->writes,
           (unsigned long long)d->reads, (unsigned long long)d->errors, (unsigned long long)d->wrong,
           (long long)d->longest_gap_us / 1000, (long long)d->longest_io_us / 1000);
    for (int g = 0; g < d->gap_count; g++)
      printf("%s{\"atMs\":%lld,\"ms\":%lld}", g ? "," : "", (long long)(d->gaps[g].began_us - began_us) / 1000,
             (long long)d->gaps[g].lasted_us / 1000);
    printf("]}");
  }
  printf("],\"complaints\":[");
  for (int i = 0; i < complaint_count; i++) printf("%s\"%s\"", i ? "," : "", complaints[i]);
  printf("]}\n");
}

int main(int count, char **words) {
  if (count < 7 || count - 6 > MAX_DEVICES) return 2;
  run_id = strtoull(words[1], NULL, 10);
  int seconds = atoi(words[2]);
  depth = atoi(words[3]);
  blocks = strtoull(words[4], NULL, 10);
  pace_us = atoi(words[5]);
  for (int i = 6; i < count; i++, device_count++) open_device(&devices[device_count], words[i]);
  struct worker *workers = calloc((size_t)device_count * depth, sizeof *workers);
  for (int i = 0; i < device_count * depth; i++)
    workers[i] = (struct worker){&devices[i / depth], i % depth, run_id * 2654435761u + i + 1, 0};

  signal(SIGPIPE, SIG_IGN); /* Linux's nvme-tcp raises it in who submits an I/O just when the connection ends */
  signal(SIGTERM, on_stop);
  signal(SIGALRM, on_stop);
  began_us = now_us();
  for (int i = 0; i < device_count; i++) devices[i].last_ack_us = began_us;
  all(workers, fill);
  printf("running\n%80s\n", ""); /* the host's command channel keeps the last few bytes back until more come */
  fflush(stdout);
  pthread_t beat;
  pthread_create(&beat, NULL, heartbeat, NULL);
  alarm(seconds);
  all(workers, work);
  /* one device may have been waited for: no gap of the others */
  for (int i = 0; i < device_count; i++) devices[i].last_ack_us = now_us();
  all(workers, verify);
  report();
  return 0;
}
