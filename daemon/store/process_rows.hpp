// Private to the store: process images and boots as they stand in one part, read back.
#pragma once

#include "model/process.hpp"
#include "store/boot.hpp"
#include "store/database.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace portd::store {

// Equal processes are one object until forget(). Rows that no portd can have written are a
// DamagedStore.
class ProcessRows {
  public:
    explicit ProcessRows(Database &database);

    model::ProcessRef process(std::int64_t id);
    std::size_t known() const { return processes_.size(); }
    void forget() { processes_.clear(); }
    const StoredBoot &boot(std::int64_t id); // lives as long as this object

  private:
    std::vector<model::Ancestor> ancestors(std::int64_t process);

    Database &database_;
    Statement select_process_;
    Statement select_ancestors_;
    Statement select_boot_;
    std::unordered_map<std::int64_t, StoredBoot> boots_;
    std::unordered_map<std::int64_t, model::ProcessRef> processes_;
};

} // namespace portd::store
