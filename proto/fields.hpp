// Every struct is described once, by a function that shows its fields to a visitor; the Encoder and
// the Decoder are the visitors. A field whose type is std::optional may be absent, any other is
// required, unless the description says otherwise:
//   flag   a bool that is on the wire only where it is true
//   list   a vector that is on the wire only where it is not empty
//   count  a number that is on the wire only where it is not 0
//   word   a value of an enumeration that keeps its default where it is absent
#pragma once

#include "proto/codec.hpp"
#include "proto/utf8.hpp"
#include "proto/vocabulary.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace portd::proto {

using nlohmann::json;

// What an integer may be.
struct Bounds {
    std::int64_t low = std::numeric_limits<std::int64_t>::min();
    std::int64_t high = std::numeric_limits<std::int64_t>::max();
};
inline constexpr Bounds any_integer{};
inline constexpr Bounds not_negative{0, any_integer.high};
inline constexpr Bounds positive{1, any_integer.high};
inline constexpr Bounds number_of_32_bits{0, 4'294'967'295};
inline constexpr Bounds asked_port{1, 65535};
inline constexpr Bounds told_port{0, 65535};

template <typename T, typename S>
concept Is = std::same_as<std::remove_const_t<T>, S>;

template <typename T>
json encode_struct(const T &value);

class Encoder {
  public:
    explicit Encoder(json &object) : object_(object) {}

    template <typename T>
    void operator()(const char *name, const T &value, Bounds = any_integer) {
        object_[name] = to_json(value);
    }
    template <typename T>
    void operator()(const char *name, const std::optional<T> &value, Bounds = any_integer) {
        if (value)
            object_[name] = to_json(*value);
    }
    void flag(const char *name, bool value) {
        if (value)
            object_[name] = true;
    }
    template <typename T>
    void list(const char *name, const std::vector<T> &values) {
        if (!values.empty())
            object_[name] = to_json(values);
    }
    void count(const char *name, std::int64_t value) {
        if (value != 0)
            object_[name] = value;
    }
    template <typename Enum>
    void word(const char *name, Enum value) {
        object_[name] = to_json(value);
    }

  private:
    template <typename T>
    static json to_json(const T &value) {
        if constexpr (std::is_enum_v<T>)
            return std::string(to_string(value));
        else if constexpr (std::same_as<T, std::string>)
            return to_utf8(value);
        else if constexpr (std::same_as<T, std::int64_t> || std::same_as<T, bool>)
            return value;
        else
            return encode_struct(value);
    }
    template <typename T>
    static json to_json(const std::vector<T> &values) {
        json array = json::array();
        for (const T &value : values)
            array.push_back(to_json(value));
        return array;
    }

    json &object_;
};

template <typename T>
json encode_struct(const T &value) {
    json object = json::object();
    Encoder encoder(object);
    describe(encoder, value);
    return object;
}

enum class Unknown { refused, ignored };

// Where a value stands: a field of an object, or an element of an array. Its name is made only
// where something is wrong with it.
struct Place {
    const Place *outer = nullptr;
    std::string_view field;
    std::size_t element = 0; // where the field has no name

    std::string text() const {
        const std::string before = outer ? outer->text() : "";
        if (field.empty())
            return before + "[" + std::to_string(element) + "]";
        return before + (outer ? "." : "") + std::string(field);
    }
};

// Reads one object. Stops at the first field that cannot be used, and keeps what was wrong with it.
class Decoder {
  public:
    explicit Decoder(const json &object, const Place *place = nullptr)
        : object_(object), place_(place) {}

    template <typename T>
    void operator()(const char *name, T &value, Bounds bounds = any_integer) {
        if (const json *found = find(name))
            read(*found, {place_, name}, value, bounds);
        else if (!fault_)
            fault_ = InvalidField{Place{place_, name}.text(), "is required"};
    }
    template <typename T>
    void operator()(const char *name, std::optional<T> &value, Bounds bounds = any_integer) {
        if (const json *found = find(name))
            read(*found, {place_, name}, value.emplace(), bounds);
    }
    void flag(const char *name, bool &value) {
        if (const json *found = find(name))
            read(*found, {place_, name}, value, any_integer);
    }
    template <typename T>
    void list(const char *name, std::vector<T> &values) {
        if (const json *found = find(name))
            read(*found, {place_, name}, values, any_integer);
    }
    void count(const char *name, std::int64_t &value) {
        if (const json *found = find(name))
            read(*found, {place_, name}, value, not_negative);
    }
    template <typename Enum>
    void word(const char *name, Enum &value) {
        if (const json *found = find(name))
            read(*found, {place_, name}, value, any_integer);
    }

    void refuse_unknown() {
        for (const auto &[name, value] : object_.items())
            if (!fault_ && std::ranges::find(known_, name) == known_.end())
                fault_ =
                    InvalidField{Place{place_, name}.text(), "is not a parameter of this method"};
    }

    std::optional<InvalidField> take_fault() { return std::move(fault_); }

  private:
    // The value, unless it is absent, null, or something was wrong before.
    const json *find(const char *name) {
        known_.emplace_back(name);
        if (fault_)
            return nullptr;
        const auto found = object_.find(name);
        return found == object_.end() || found->is_null() ? nullptr : &*found;
    }

    void expect(bool met, const Place &place, const char *reason) {
        if (!met)
            fault_ = InvalidField{place.text(), reason};
    }

    void read(const json &value, const Place &place, std::int64_t &out, Bounds bounds) {
        if (!value.is_number_integer())
            return expect(false, place, "is not an integer");
        const bool fits =
            !value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX};
        if (!fits || value.get<std::int64_t>() < bounds.low ||
            value.get<std::int64_t>() > bounds.high) {
            fault_ = InvalidField{place.text(), "is not within " + std::to_string(bounds.low) +
                                                    " to " + std::to_string(bounds.high)};
            return;
        }
        out = value.get<std::int64_t>();
    }

    void read(const json &value, const Place &place, bool &out, Bounds) {
        expect(value.is_boolean(), place, "is not a boolean");
        if (value.is_boolean())
            out = value.get<bool>();
    }

    void read(const json &value, const Place &place, std::string &out, Bounds) {
        expect(value.is_string(), place, "is not a string");
        if (value.is_string())
            out = value.get<std::string>();
    }

    template <typename T>
    requires std::is_enum_v<T>
    void read(const json &value, const Place &place, T &out, Bounds) {
        const auto word =
            value.is_string() ? parse_word<T>(value.get_ref<const std::string &>()) : std::nullopt;
        expect(word.has_value(), place, "is not a word of its list");
        out = word.value_or(out);
    }

    template <typename T>
    requires std::is_class_v<T>
    void read(const json &value, const Place &place, T &out, Bounds) {
        if (!value.is_object())
            return expect(false, place, "is not an object");
        Decoder inner(value, &place);
        describe(inner, out);
        fault_ = inner.take_fault();
    }

    template <typename T>
    void read(const json &value, const Place &place, std::vector<T> &out, Bounds) {
        if (!value.is_array())
            return expect(false, place, "is not an array");
        for (std::size_t i = 0; i < value.size() && !fault_; ++i)
            read(value[i], {&place, "", i}, out.emplace_back(), any_integer);
    }

    const json &object_;
    const Place *place_;
    std::vector<std::string_view> known_;
    std::optional<InvalidField> fault_;
};

template <typename T>
Decoded<T> decode_struct(const json &parameters, Unknown unknown) {
    if (!parameters.is_object())
        return InvalidField{"parameters", "is not an object"};
    T value;
    Decoder decoder(parameters);
    describe(decoder, value);
    if (unknown == Unknown::refused)
        decoder.refuse_unknown();
    if (auto fault = decoder.take_fault())
        return std::move(*fault);
    return value;
}

} // namespace portd::proto
