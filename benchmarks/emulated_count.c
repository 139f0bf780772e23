/*
 * A plugin of QEMU's user-mode emulator: at each getpriority(2), which nothing else in an inference calls, it writes down
 * how many instructions have been executed. Distributions ship the emulator without qemu-plugin.h, hence the declarations
 * (plugin interface version 1, docs/devel/tcg-plugins.rst of QEMU 7.2).
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin_id;
typedef uint64_t arg;
struct qemu_plugin_tb;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
void qemu_plugin_register_vcpu_syscall_cb(
    plugin_id, void (*)(plugin_id, unsigned, int64_t, arg, arg, arg, arg, arg, arg, arg, arg));
void qemu_plugin_outs(const char *);

int qemu_plugin_version = 1;

enum { GETPRIORITY_ON_AARCH64 = 141 };
static uint64_t executed;

static void run(unsigned cpu, void *instructions) { executed += (uintptr_t)instructions; }

static void translated(plugin_id id, struct qemu_plugin_tb *block) {
  qemu_plugin_register_vcpu_tb_exec_cb(block, run, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned cpu, int64_t number, arg a, arg b, arg c, arg d, arg e, arg f, arg g, arg h) {
  if (number == GETPRIORITY_ON_AARCH64) {
    char line[64];
    snprintf(line, sizeof line, "executed %" PRIu64 "\n", executed);
    qemu_plugin_outs(line);
  }
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **words) {
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
