// The plans of the last sizes of images, for runs that may overlap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "cpu/plan.h"

namespace cct {

template <class SomePlan>
class KnownPlans {
 public:
  // A plan that was made before; none if there is none.
  std::shared_ptr<const SomePlan> find(const int64_t x_dims[4]) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < kPlans; ++i) {
      const auto& plan = plans_[i];
      if (plan && x_dims[1] == plan->channels && std::equal(x_dims + 2, x_dims + 4, plan->in)) {
        std::rotate(plans_, plans_ + i, plans_ + i + 1);
        return plans_[0];
      }
    }
    return nullptr;
  }

  // One that was made before, or else the one that `make` returns, with its tables.
  template <class Make>
  std::shared_ptr<const SomePlan> find_or(const int64_t x_dims[4], Make make) const {
    if (auto plan = find(x_dims)) return plan;
    std::shared_ptr<SomePlan> made = make();
    made->make_tables();
    const std::lock_guard<std::mutex> lock(mutex_);
    std::rotate(plans_, plans_ + kPlans - 1, plans_ + kPlans);
    return plans_[0] = made;
  }

 private:
  static constexpr size_t kPlans = 4;  // sizes of images that a session may change between
  mutable std::mutex mutex_;           // of what follows
  mutable std::shared_ptr<const SomePlan> plans_[kPlans];  // the last used first
};

}  // namespace cct
