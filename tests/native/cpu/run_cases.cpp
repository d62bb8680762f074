// run_cases ISA CASES OUTPUTS ROOM: runs cases of the operator through the C API, for a library that only an
// emulator loads. emulator.py writes CASES and reads OUTPUTS; both are arrays, each an int64 count of bytes
// and then these.
//
// ISA may be "", for the row that the library chooses. Prints the rows of the library; a line on stderr and
// exit code 1 when a case fails, or when a run writes outside of Y or the scratch, or with threads other bits
// than without. A run that reads more than ROOM bytes beyond X or Z is a segmentation fault; it may read as
// many before them.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "cpu/pattern_conv.h"

namespace {

constexpr size_t kGuard = 256;                      // bytes around what a run may write
constexpr char kGuardByte = 0x5a, kUnwritten = -1;  // the second makes a NaN of either type

[[noreturn]] void stop(size_t number, const char* what) {
  std::fprintf(stderr, "case %zu: %s\n", number, what);
  std::exit(1);
}

template <class Item>
std::vector<Item> read(std::ifstream& file) {
  int64_t bytes = 0;
  file.read(reinterpret_cast<char*>(&bytes), sizeof bytes);
  std::vector<Item> items(bytes / sizeof(Item));
  file.read(reinterpret_cast<char*>(items.data()), bytes);
  return items;
}

// A copy of bytes; the memory ends so many bytes after it.
class Fenced {
 public:
  Fenced(const std::vector<char>& bytes, size_t beyond) {
    constexpr size_t kPage = 1 << 16;  // or a part of it
    const size_t room = (bytes.size() + 2 * beyond + kPage - 1) / kPage * kPage;
    void* memory = mmap(nullptr, room + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(static_cast<char*>(memory) + room, kPage, PROT_NONE)) std::abort();
    memory_ = static_cast<char*>(memory);
    size_ = room + kPage;
    data_ = memory_ + room - beyond - bytes.size();
    std::copy(bytes.begin(), bytes.end(), data_);
  }
  Fenced(const Fenced&) = delete;
  ~Fenced() { munmap(memory_, size_); }
  const char* data() const { return data_; }

 private:
  char *memory_, *data_;
  size_t size_;
};

// Memory between guards.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : memory_(bytes + 2 * kGuard, kGuardByte), bytes_(bytes) {
    std::memset(data(), kUnwritten, bytes);
  }
  char* data() { return memory_.data() + kGuard; }
  size_t size() const { return bytes_; }
  bool intact() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (memory_[i] != kGuardByte || memory_[kGuard + bytes_ + i] != kGuardByte) return false;
    }
    return true;
  }

 private:
  std::vector<char> memory_;
  size_t bytes_;
};

int on_threads(void*, void (*task)(void*, size_t), size_t count, void* argument) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(task, argument, i);
  for (std::thread& thread : threads) thread.join();
  return 0;
}

// Numbers and bytes of one case, as emulator.py writes them.
struct Case {
  explicit Case(std::ifstream& file) {
    for (auto& list : lists) list = read<int64_t>(file);
    scalars = read<int64_t>(file);
    clip = read<float>(file);
    for (int i = 0; i < 7; ++i) {
      dims[i] = read<int64_t>(file);
      arrays[i] = read<char>(file);
    }
    x_dims = read<int64_t>(file);
    x = read<char>(file);
    z = read<char>(file);
  }

  cct_packed packed() const {
    const auto ints = [](const std::vector<int64_t>& list) {
      return cct_ints{list.data(), static_cast<int64_t>(list.size())};
    };
    const auto tensor = [&](int i) {
      return cct_tensor{arrays[i].data(), dims[i].data(), static_cast<int64_t>(dims[i].size())};
    };
    return {"NCHW",         ints(lists[0]), ints(lists[1]), ints(lists[2]), ints(lists[3]),
            ints(lists[4]), ints(lists[5]), scalars[0],     scalars[1],     scalars[2],
            scalars[3],     clip[0],        clip[1],        type(),         static_cast<int32_t>(scalars[5]),
            tensor(0),      tensor(1),      tensor(2),      tensor(3),      tensor(4),
            tensor(5),      tensor(6)};
  }
  int32_t type() const { return static_cast<int32_t>(scalars[4]); }

  std::vector<int64_t> lists[6], scalars, dims[7], x_dims;
  std::vector<float> clip;
  std::vector<char> arrays[7], x, z;
};

// Y of one run.
Guarded run(const Case& c, const cct_pattern_conv* conv, const cct_threads* threads, size_t number,
            size_t beyond) {
  char error[512];
  int64_t y_dims[4];
  size_t scratch_bytes;
  if (cct_pattern_conv_prepare(conv, c.x_dims.data(), y_dims, &scratch_bytes, error, sizeof error)) {
    stop(number, error);
  }
  const Fenced x(c.x, beyond), z(c.z, beyond);
  Guarded y(y_dims[0] * y_dims[1] * y_dims[2] * y_dims[3] * (c.type() == CCT_FLOAT32 ? 4 : 2));
  Guarded scratch(scratch_bytes);
  if (cct_pattern_conv_run(conv, c.x_dims.data(), x.data(), c.z.empty() ? nullptr : z.data(), y.data(),
                           scratch.data(), threads, error, sizeof error)) {
    stop(number, error);
  }
  if (!y.intact() || !scratch.intact()) stop(number, "written outside of Y or of the scratch");
  return y;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const size_t beyond = std::strtoul(arguments[4], nullptr, 10);
  for (int row = 0; row < cct_isa_count(); ++row) std::printf("%s\n", cct_isa_name(row));
  std::ifstream cases(arguments[2], std::ios::binary);
  std::ofstream outputs(arguments[3], std::ios::binary);
  const cct_threads threads{on_threads, nullptr};
  for (size_t number = 0; cases.peek() != std::ifstream::traits_type::eof(); ++number) {
    const Case c(cases);
    const cct_packed packed = c.packed();
    char error[512];
    cct_pattern_conv* conv = cct_pattern_conv_create(&packed, arguments[1], error, sizeof error);
    if (!conv) stop(number, error);
    Guarded y = run(c, conv, nullptr, number, beyond), threaded = run(c, conv, &threads, number, beyond);
    if (std::memcmp(y.data(), threaded.data(), y.size())) stop(number, "threads change the result");
    const int64_t bytes = y.size();
    outputs.write(reinterpret_cast<const char*>(&bytes), sizeof bytes).write(y.data(), bytes);
    cct_pattern_conv_destroy(conv);
  }
  if (!cases || !outputs.flush()) {
    std::fprintf(stderr, "the files can't be read or written\n");
    return 1;
  }
}
