// Every struct is described once, by a function that shows its fields to a visitor: the Encoder
// here, the TextEncoder of json_text.hpp, and those by which the Decoder of decoding.hpp finds a
// field. A field whose type is std::optional may be absent, any other is required, unless the
// description says otherwise:
//   flag   a bool that is on the wire only where it is true
//   list   a vector that is on the wire only where it is not empty
//   count  a number that is on the wire only where it is not 0
//   word   a value of an enumeration that keeps its default where it is absent
#pragma once

#include "proto/codec.hpp"
#include "proto/utf8.hpp"
#include "proto/vocabulary.hpp"

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
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

} // namespace portd::proto
