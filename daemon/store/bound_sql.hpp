// Private to the store: SQL with the values of its parameters.
#pragma once

#include "store/database.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace portd::store {

struct BoundSql {
    using Value = std::variant<std::int64_t, std::string, std::vector<std::uint8_t>>;

    std::string text;
    std::vector<Value> values; // of ?1, ?2, ...

    // What stands for the value in the text. It may stand there more than once, and in any order.
    std::string put(std::int64_t value);
    std::string put(std::string value);
    std::string put(std::vector<std::uint8_t> value);
};

void bind(Execution &execution, const BoundSql &sql);

} // namespace portd::store
