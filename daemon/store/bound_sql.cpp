#include "store/bound_sql.hpp"

#include <utility>

namespace portd::store {
namespace {

template <typename T>
std::string append(std::vector<BoundSql::Value> &values, T value) {
    values.emplace_back(std::in_place_type<T>, std::move(value));
    return "?" + std::to_string(values.size());
}

} // namespace

std::string BoundSql::put(std::int64_t value) {
    return append(values, value);
}

std::string BoundSql::put(std::string value) {
    return append(values, std::move(value));
}

std::string BoundSql::put(std::vector<std::uint8_t> value) {
    return append(values, std::move(value));
}

void bind(Execution &execution, const BoundSql &sql) {
    for (const BoundSql::Value &value : sql.values)
        std::visit([&](const auto &one) { execution.bind_copy(one); }, value);
}

} // namespace portd::store
