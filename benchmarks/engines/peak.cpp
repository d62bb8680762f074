// What the processor can do at most: fused multiply-adds in registers, nothing else. Speaks the protocol of
// worker.py.
//
//     c++ -O2 -std=c++17 -pthread peak.cpp -o peak
//     peak avx2|avx512 CORE[,CORE...]      # one thread on each core
//
// At the start it answers {"version": name, "flops": floating-point operations of one run, all threads
// together}; any line with a number n then gives {"seconds": [n times], "cpu": [the same], "waited": 0}.
// Fails where the processor lacks the instructions.
#include <sched.h>
#include <sys/prctl.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kSums = 12;  // independent of each other: cover a latency of 4 cycles at 2 instructions a cycle
constexpr int kSteps = 1000000;

// In assembly, so that no compiler keeps a sum in memory: registers 0 to 11 += 13 * 14.
#define LOOP(type)                                                                                     \
  int steps = kSteps;                                                                                  \
  const float factor = 0.5f;                                                                           \
  asm volatile(                                                                                        \
      "vzeroall\n"                                                                                     \
      "vbroadcastss %1, %%" type                                                                       \
      "13\n"                                                                                           \
      "vbroadcastss %1, %%" type                                                                       \
      "14\n"                                                                                           \
      "1:\n"                                                                                           \
      ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"                                                 \
      "vfmadd231ps %%" type "13, %%" type "14, %%" type                                                \
      "\\i\n"                                                                                          \
      ".endr\n"                                                                                        \
      "dec %0\n"                                                                                       \
      "jnz 1b\n"                                                                                       \
      "vzeroupper"                                                                                     \
      : "+r"(steps)                                                                                    \
      : "m"(factor)                                                                                    \
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm13", "xmm14", "xmm12", "xmm15")

using Loop = void (*)();
void loop_avx2() { LOOP("ymm"); }
void loop_avx512() { LOOP("zmm"); }

void pin(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

double timed(Loop loop) {
  auto start = std::chrono::steady_clock::now();
  loop();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// All threads start together; the run takes as long as the slowest.
double run(Loop loop, const std::vector<int>& cores) {
  std::vector<double> seconds(cores.size());
  std::atomic<size_t> ready{0};
  std::vector<std::thread> threads;
  for (size_t i = 1; i < cores.size(); ++i) {
    threads.emplace_back([&, i] {
      pin(cores[i]);
      ++ready;
      while (ready < cores.size()) {
      }
      seconds[i] = timed(loop);
    });
  }
  ++ready;
  while (ready < cores.size()) {
  }
  seconds[0] = timed(loop);
  for (auto& thread : threads) thread.join();
  double slowest = 0;
  for (double s : seconds) slowest = s > slowest ? s : slowest;
  return slowest;
}

}  // namespace

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc != 3) return std::fprintf(stderr, "usage: peak avx2|avx512 CORE[,CORE...]\n"), 2;
  __builtin_cpu_init();
  bool wide = !std::strcmp(argv[1], "avx512");
  bool there = wide ? __builtin_cpu_supports("avx512f")
                    : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!there) return std::fprintf(stderr, "this processor has no %s\n", argv[1]), 2;
  std::vector<int> cores;
  for (char* text = argv[2]; *text; text += *text == ',') cores.push_back(int(std::strtol(text, &text, 10)));
  pin(cores[0]);
  Loop loop = wide ? loop_avx512 : loop_avx2;
  double flops = 2.0 * kSteps * kSums * (wide ? 16 : 8) * double(cores.size());
  std::printf("{\"version\": \"%s\", \"flops\": %.0f}\n", argv[1], flops);
  std::fflush(stdout);
  char line[256];
  while (std::fgets(line, sizeof line, stdin)) {
    const char* digits = std::strpbrk(line, "0123456789");
    int runs = digits ? std::atoi(digits) : 1;
    run(loop, cores);
    std::string times;
    for (int i = 0; i < runs; ++i) times += (i ? ", " : "") + std::to_string(run(loop, cores));
    std::printf("{\"seconds\": [%s], \"cpu\": [%s], \"waited\": 0}\n", times.c_str(), times.c_str());
    std::fflush(stdout);
  }
}
