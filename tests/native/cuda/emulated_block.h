// A block of threads on one CPU thread: fibers, in random order between barriers.
#pragma once

#include <ucontext.h>

#include <deque>
#include <random>

#include "emulated_memory.h"

namespace cct::emulator {

struct Copy {
  uint32_t to;
  const void* from;  // NULL: zeros
  int bytes;
  int group;
};

struct Thread {
  ucontext_t context;
  bool done = false, waits = false;  // at a barrier
  Site at;                           // that barrier
  std::deque<Copy> copies;           // in flight
  int group = 0;                     // of the next copy
};

// Lanes of a warp that meet in an instruction.
struct Meeting {
  void (*instruction)(class Block&, int warp, void* const* lanes) = nullptr;
  void* lanes[32];
  int count = 0, number = 0;
};

class Block {
 public:
  int x, y, z;
  const int* grid;
  int running = 0;  // thread
  Global& global;
  Shared shared;
  Counters* counters;

  static Block*& current_pointer() {
    static Block* block = nullptr;
    return block;
  }
  static Block& current() { return *current_pointer(); }

  Block(int x, int y, int z, const int* grid, int threads, int64_t shared_bytes, Global& global,
        Counters* counters)
      : x(x),
        y(y),
        z(z),
        grid(grid),
        global(global),
        shared(shared_bytes, counters),
        counters(counters),
        threads_(threads),
        meetings_(threads / 32) {}

  Thread& thread() { return threads_[running]; }

  void barrier(Site here) {
    for (const Thread& other : threads_) {
      if (other.done) fail("barrier that a thread never reaches");
      if (other.waits && (other.at.line != here.line || strcmp(other.at.file, here.file))) {
        fail("threads wait at different barriers");
      }
    }
    thread().at = here;
    thread().waits = true;
    while (thread().waits) pause();
  }

  // The last lane to come does it for all.
  void together(void (*instruction)(Block&, int, void* const*), void* of_lane) {
    const int warp = running / 32;
    Meeting& meeting = meetings_[warp];
    if (meeting.count && meeting.instruction != instruction)
      fail("lanes of a warp are at different instructions");
    meeting.instruction = instruction;
    meeting.lanes[running % 32] = of_lane;
    if (++meeting.count == 32) {
      instruction(*this, warp, meeting.lanes);
      meeting.count = 0, ++meeting.number;
    } else {
      for (const int number = meeting.number; meeting.number == number;) pause();
    }
  }

  void start_copy(uint32_t to, const void* from, int bytes, Site here) {
    if (from) global.check(from, bytes, false);
    shared.start_copy(to, bytes, running);
    shared.count(Access::copy, here, running, to, bytes);
    thread().copies.push_back({to, from, bytes, thread().group});
  }

  void finish_copies(int groups) {
    std::deque<Copy>& copies = thread().copies;
    for (; !copies.empty() && copies.front().group < thread().group - groups; copies.pop_front()) {
      shared.finish_copy(copies.front().to, copies.front().from, copies.front().bytes, running);
    }
  }

  // Runs all threads to their ends, each up to its next barrier or common instruction, in a new order every
  // time.
  void run(void (*kernel)(const void*), const void* arguments, std::mt19937& random) {
    current_pointer() = this;
    kernel_ = kernel, arguments_ = arguments;
    constexpr size_t kStack = 64 << 10;
    static std::vector<char> stacks;
    stacks.resize(threads_.size() * kStack);
    std::vector<int> order;
    for (size_t i = 0; i < threads_.size(); ++i) {
      getcontext(&threads_[i].context);
      threads_[i].context.uc_stack.ss_sp = stacks.data() + i * kStack;
      threads_[i].context.uc_stack.ss_size = kStack;
      makecontext(&threads_[i].context, begin, 0);
      order.push_back(static_cast<int>(i));
    }
    for (size_t done = 0; done < threads_.size();) {
      std::shuffle(order.begin(), order.end(), random);
      const int64_t before = progress_;
      bool all_wait = true;
      for (const int i : order) {
        if (threads_[i].done || threads_[i].waits) continue;
        const int meetings = meetings_[i / 32].number, count = meetings_[i / 32].count;
        running = i;
        swapcontext(&scheduler_, &threads_[i].context);
        if (!fault_.empty()) fail(fault_ + where());
        done += threads_[i].done;
        progress_ += threads_[i].done || threads_[i].waits || meetings != meetings_[i / 32].number ||
                     count != meetings_[i / 32].count;
      }
      for (const Thread& thread : threads_) all_wait &= thread.waits;
      if (all_wait) {
        for (Thread& thread : threads_) thread.waits = false;
        shared.next_epoch();
        ++counters->barriers, ++progress_;
      }
      if (done < threads_.size() && progress_ == before && ++stuck_ > 2)
        fail("threads wait for ever" + where());
      if (progress_ != before) stuck_ = 0;
    }
    for (const Thread& thread : threads_) {
      if (!thread.copies.empty()) fail("copies are in flight at the end" + where());
    }
    shared.count_all();
  }

 private:
  std::vector<Thread> threads_;
  std::vector<Meeting> meetings_;
  ucontext_t scheduler_;
  void (*kernel_)(const void*);
  const void* arguments_;
  std::string fault_;
  int64_t progress_ = 0;
  int stuck_ = 0;

  void pause() { swapcontext(&thread().context, &scheduler_); }

  std::string where() const {
    return " (block " + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) +
           ", thread " + std::to_string(running) + ")";
  }

  static void begin() {
    Block& block = current();
    try {
      block.kernel_(block.arguments_);
    } catch (const Fault& fault) {
      block.fault_ = fault.what;
    }
    block.thread().done = true;
    for (;;) block.pause();
  }
};

}  // namespace cct::emulator
