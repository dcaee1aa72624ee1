// Private to the store: values of the model as columns, and the columns of one row as values.
#pragma once

#include "model/endpoint.hpp"
#include "model/instant.hpp"
#include "store/database.hpp"
#include "store/schema.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace portd::store {

// Two's complement, both ways: SQLite has signed integers only.
inline std::int64_t as_signed(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}
inline std::optional<std::int64_t> as_signed(std::optional<std::uint64_t> value) {
    if (!value)
        return std::nullopt;
    return as_signed(*value);
}
inline std::optional<std::uint64_t> as_unsigned(std::optional<std::int64_t> value) {
    if (!value)
        return std::nullopt;
    return static_cast<std::uint64_t>(*value);
}

template <typename Enum>
std::int64_t number(Enum value) {
    return static_cast<std::int64_t>(value);
}
template <typename Enum>
std::optional<std::int64_t> number(std::optional<Enum> value) {
    if (!value)
        return std::nullopt;
    return number(*value);
}

inline std::span<const std::uint8_t> address_bytes(const model::Address &address) {
    return {address.bytes.data(), address.family == Family::ipv4 ? 4u : 16u};
}

// Takes the columns of one row in their order, and refuses what does not fit its type.
class Row {
  public:
    Row(const Execution &row, const Database &database, std::string name)
        : row_(row), database_(database), name_(std::move(name)) {}

    bool null() const { return row_.is_null(column_); }
    std::int64_t integer() { return row_.integer(column_++); }
    std::optional<std::int64_t> optional_integer() { return row_.optional_integer(column_++); }
    std::string text() { return row_.text(column_++); }
    std::optional<std::string> optional_text() { return row_.optional_text(column_++); }

    template <typename T>
    T fitting() {
        const std::int64_t value = integer();
        if (!std::in_range<T>(value))
            refuse(value);
        return static_cast<T>(value);
    }
    template <typename T>
    std::optional<T> optional_fitting() {
        return skip_null() ? std::nullopt : std::optional<T>(fitting<T>());
    }
    template <typename Enum>
    Enum enumeration(Enum last = last_value<Enum>) {
        const std::int64_t value = integer();
        if (value < 0 || value > number(last))
            refuse(value);
        return static_cast<Enum>(value);
    }
    template <typename Enum>
    std::optional<Enum> optional_enumeration() {
        return skip_null() ? std::nullopt : std::optional<Enum>(enumeration<Enum>());
    }
    std::optional<model::Instant> optional_instant(std::int64_t base) {
        const auto us = optional_integer();
        return us ? std::optional(model::instant_from_us(*us - base)) : std::nullopt;
    }
    std::optional<model::When> when(std::int64_t base) {
        model::When when{optional_instant(base), optional_instant(base), {}};
        if (skip_null())
            return std::nullopt;
        when.provenance = enumeration<Provenance>();
        return when;
    }
    std::optional<model::Address> address() {
        if (skip_null())
            return std::nullopt;
        const auto blob = row_.blob(column_++);
        if (blob.size() != 4 && blob.size() != 16)
            refuse(static_cast<std::int64_t>(blob.size()));
        model::Address address;
        address.family = blob.size() == 4 ? Family::ipv4 : Family::ipv6;
        std::copy(blob.begin(), blob.end(), address.bytes.begin());
        return address;
    }
    [[noreturn]] void refuse(std::int64_t value) const {
        database_.damaged(name_ + ": column " + std::to_string(column_) + " cannot be " +
                          std::to_string(value));
    }

  private:
    bool skip_null() {
        if (!null())
            return false;
        ++column_;
        return true;
    }

    const Execution &row_;
    const Database &database_;
    std::string name_;
    int column_ = 0;
};

} // namespace portd::store
