// Private to the store: row numbers of strings, addresses and process images, which are
// stored once each.
#pragma once

#include "model/endpoint.hpp"
#include "model/process.hpp"
#include "store/database.hpp"
#include "store/process_rows.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace portd::store {

// Finds or makes the rows, inside the caller's transaction. Remembers what it found, up to a bound
// at which it forgets everything and starts over.
class Interning {
  public:
    Interning(Database &database, std::int64_t boot, std::int64_t base_offset_us);

    std::int64_t text(std::string_view value);
    std::int64_t process(const model::ProcessRef &process);
    std::int64_t address(const model::Address &address);

    // After a rollback: the rows that were made are gone.
    void forget();

  private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view value) const noexcept {
            return std::hash<std::string_view>{}(value);
        }
    };
    struct KnownProcess {
        model::ProcessRef process; // keeps the address from being used again
        std::int64_t id;
    };

    struct AddressHash {
        std::size_t operator()(const model::Address &address) const noexcept {
            return std::hash<std::string_view>{}(
                {reinterpret_cast<const char *>(address.bytes.data()), address.bytes.size()});
        }
    };

    std::int64_t find_or_insert_text(std::string_view value);
    std::int64_t find_or_insert_address(const model::Address &address);
    std::int64_t find_or_insert_process(const model::Process &process);
    std::int64_t insert_process(const model::Process &process);
    std::optional<std::int64_t> optional_text(const std::optional<std::string> &value);

    Database &database_;
    std::int64_t boot_;
    std::int64_t base_offset_us_;
    Statement find_text_;
    Statement insert_text_;
    Statement find_address_;
    Statement insert_address_;
    Statement find_process_;
    Statement insert_process_;
    Statement insert_ancestor_;
    ProcessRows rows_;
    std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>> texts_;
    std::size_t text_bytes_ = 0;
    std::unordered_map<const model::Process *, KnownProcess> processes_;
    std::unordered_map<model::Address, std::int64_t, AddressHash> addresses_;
};

} // namespace portd::store
