// Values one after the other in memory, for the next instance of the same build on the same
// machine: as they are, without a word about their types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace portd::capture {

class ByteWriter {
  public:
    template <typename Value>
    void put(const Value &value) {
        static_assert(std::is_trivially_copyable_v<Value>);
        append(&value, sizeof value);
    }
    template <typename Range>
    void put_all(const Range &values) {
        const std::span bytes = std::as_bytes(std::span(values));
        static_assert(std::is_trivially_copyable_v<typename Range::value_type>);
        put<std::uint64_t>(values.size());
        append(bytes.data(), bytes.size());
    }
    void put_text(std::string_view text) { put_all(text); }
    void put_text(const std::optional<std::string> &text) {
        put(text.has_value());
        if (text)
            put_text(std::string_view(*text));
    }

    std::span<const std::byte> bytes() const { return bytes_; }
    std::vector<std::byte> take() { return std::exchange(bytes_, {}); }
    // Keeps the memory.
    void clear() { bytes_.clear(); }

  private:
    void append(const void *data, std::size_t count) {
        const auto *const begin = static_cast<const std::byte *>(data);
        bytes_.insert(bytes_.end(), begin, begin + count);
    }

    std::vector<std::byte> bytes_;
};

struct TruncatedBytes : std::runtime_error {
    TruncatedBytes() : std::runtime_error("a value is cut off") {}
};

// Throws TruncatedBytes where there are too few of them.
class ByteReader {
  public:
    explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    bool is_at_end() const { return rest_.empty(); }

    template <typename Value>
    Value get() {
        static_assert(std::is_trivially_copyable_v<Value>);
        Value value{};
        std::memcpy(&value, next(sizeof value).data(), sizeof value);
        return value;
    }
    template <typename Value>
    std::vector<Value> get_all() {
        const auto count = get<std::uint64_t>();
        if (count > rest_.size() / sizeof(Value))
            throw TruncatedBytes();
        std::vector<Value> values(count);
        const auto bytes = next(count * sizeof(Value));
        if (count > 0)
            std::memcpy(static_cast<void *>(values.data()), bytes.data(), bytes.size());
        return values;
    }
    std::string get_text() {
        const auto text = get_all<char>();
        return {text.begin(), text.end()};
    }
    std::optional<std::string> get_optional_text() {
        return get<std::uint8_t>() != 0 ? std::optional(get_text()) : std::nullopt;
    }

  private:
    std::span<const std::byte> next(std::size_t count) {
        if (count > rest_.size())
            throw TruncatedBytes();
        const auto taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }

    std::span<const std::byte> rest_;
};

} // namespace portd::capture
