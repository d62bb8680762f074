// A block of threads on one CPU thread: fibers in random order, and memory that finds what would be wrong on
// a GPU.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace cct::emulator {

// What a kernel does that it must not.
struct Fault {
  std::string what;
};

[[noreturn]] inline void fail(const std::string& what) { throw Fault{what}; }

struct Site {
  const char* file;
  int line;
};

enum class Access { load, store, copy, matrix };

// Passes over the banks of shared memory that the accesses took, and that they would take without conflicts.
struct Counters {
  int64_t passes[4], least[4];  // by Access
  int64_t products;             // multiply_add
  int64_t barriers;
};

// ---------------------------------------------------------------- global memory

struct Range {
  const char* name;
  char* begin;
  int64_t bytes;
  int32_t writable;
};

// The arrays of a launch. A kernel writes each element once at most, and reads nothing that it writes.
class Global {
 public:
  Global(const Range* ranges, int count) : ranges_(ranges, ranges + count), written_(count) {
    for (int i = 0; i < count; ++i) {
      if (ranges[i].writable) written_[i].resize(ranges[i].bytes / 2);
    }
  }

  void check(const void* address, int64_t bytes, bool write) {
    const char* at = static_cast<const char*>(address);
    if (reinterpret_cast<uintptr_t>(at) % bytes) fail("global access is not aligned");
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const Range& range = ranges_[i];
      if (at < range.begin || at + bytes > range.begin + range.bytes) continue;
      if (write != static_cast<bool>(range.writable)) {
        fail(std::string(write ? "write to " : "read of ") + range.name + ", which is for the other");
      }
      for (int64_t j = 0; write && j < bytes / 2; ++j) {
        if (written_[i][(at - range.begin) / 2 + j]++)
          fail(std::string("element of ") + range.name + " written twice");
      }
      return;
    }
    fail("global access out of bounds");
  }

 private:
  std::vector<Range> ranges_;
  std::vector<std::vector<uint8_t>> written_;
};

// ---------------------------------------------------------------- shared memory

constexpr int kWarpReads = 1 << 16;  // the reader of a warp's common reads is this + the warp

class Shared {
 public:
  Shared(int64_t bytes, Counters* counters) : memory_(bytes, 0xff), cells_(bytes / 4), counters_(counters) {}

  unsigned char* bytes() { return memory_.data(); }

  // Between two barriers what one thread writes no other reads or writes, and what one reads no other writes.
  void check(int64_t at, int64_t bytes, int who, bool write) {
    const auto complain = [&](const char* what) { fail(what + (", byte " + std::to_string(at))); };
    if (at < 0 || at + bytes > static_cast<int64_t>(memory_.size())) complain("shared access out of bounds");
    if (at % bytes || bytes % 4) complain("shared access is not aligned");
    for (int64_t i = at / 4; i < (at + bytes) / 4; ++i) {
      Cell& cell = cells_[i];
      if (cell.copies) complain("shared access while a copy is in flight");
      const bool written = cell.write_epoch == epoch_ && cell.writer != who;
      const bool read = cell.read_epoch == epoch_ && (cell.many_readers || cell.reader != who);
      if (write) {
        if (written) complain("race in shared memory: two writes");
        if (read) complain("race in shared memory: write after read");
        cell.writer = who, cell.write_epoch = epoch_, cell.defined = true;
      } else {
        if (!cell.defined) complain("read of undefined shared memory");
        if (written) complain("race in shared memory: read after write");
        cell.many_readers = read, cell.reader = who, cell.read_epoch = epoch_;
      }
    }
  }

  void start_copy(int64_t at, int bytes, int who) {
    check(at, bytes, who, true);
    for (int64_t i = at / 4; i < (at + bytes) / 4; ++i) ++cells_[i].copies;
  }

  void finish_copy(int64_t at, const void* from, int bytes, int who) {
    if (from) {
      memcpy(this->bytes() + at, from, bytes);
    } else {
      memset(this->bytes() + at, 0, bytes);
    }
    for (int64_t i = at / 4; i < (at + bytes) / 4; ++i) {
      --cells_[i].copies, cells_[i].writer = who, cells_[i].write_epoch = epoch_;
    }
  }

  void next_epoch() { ++epoch_; }

  // Collects the accesses that the lanes of a warp make together: at the same place in the source, the same
  // time.
  void count(Access access, Site site, int thread, uint32_t at, int bytes) {
    const int visit = visits_[{thread, site.file, site.line}]++;
    Together& together = accesses_[{thread / 32, site.file, site.line, visit}];
    together.access = access, together.bytes = bytes, together.lanes |= 1u << thread % 32;
    together.at[thread % 32] = at;
  }

  // 128 bytes pass at a time: 32 accesses of 4 bytes, 16 of 8, 8 of 16.
  void count_phase(Access access, const uint32_t* at, int count, int bytes) {
    std::array<std::vector<uint32_t>, 32> banks;
    for (int i = 0; i < count; ++i) {
      for (uint32_t word = at[i] / 4; word < (at[i] + bytes) / 4; ++word) {
        std::vector<uint32_t>& bank = banks[word % 32];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
      }
    }
    size_t most = 0;
    for (const auto& bank : banks) most = std::max(most, bank.size());
    counters_->passes[static_cast<int>(access)] += most;
    counters_->least[static_cast<int>(access)] += count > 0;
  }

  void count_all() {
    for (const auto& entry : accesses_) {
      const Together& together = entry.second;
      const int lanes = 128 / together.bytes;
      for (int first = 0; first < 32; first += lanes) {
        uint32_t at[32];
        int count = 0;
        for (int i = first; i < std::min(first + lanes, 32); ++i) {
          if (together.lanes >> i & 1) at[count++] = together.at[i];
        }
        count_phase(together.access, at, count, together.bytes);
      }
    }
  }

 private:
  struct Cell {  // 4 bytes
    int writer = -1, write_epoch = -1, reader = -1, read_epoch = -1;
    bool many_readers = false, defined = false;
    int copies = 0;  // in flight
  };
  struct Together {
    Access access;
    int bytes;
    uint32_t lanes = 0, at[32];
  };

  std::vector<unsigned char> memory_;
  std::vector<Cell> cells_;
  int epoch_ = 0;
  Counters* counters_;
  std::map<std::tuple<int, const char*, int>, int> visits_;
  std::map<std::tuple<int, const char*, int, int>, Together> accesses_;
};

}  // namespace cct::emulator
