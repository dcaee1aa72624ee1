// JSON as text without a tree of it before: what streams of leases are made of, of which there may
// be hundreds of thousands. TextEncoder is a visitor like the Encoder of fields.hpp, with the same
// rules.
#pragma once

#include "proto/fields.hpp"

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace portd::proto {

// What else is escaped than must be.
enum class Escaped { what_must_be, all_but_ascii };

// Appends the text as a JSON string; bytes that are no UTF-8 as to_utf8() has them.
void append_quoted(std::string &out, std::string_view text,
                   Escaped escaped = Escaped::what_must_be);

void append_integer(std::string &out, std::int64_t value);

template <typename T>
void append_struct(std::string &out, const T &value);

class TextEncoder {
  public:
    explicit TextEncoder(std::string &out) : out_(out) { out_ += '{'; }
    void finish() { out_ += '}'; }

    template <typename T>
    void operator()(std::string_view name, const T &value, Bounds = any_integer) {
        begin_field(name);
        append(value);
    }
    template <typename T>
    void operator()(std::string_view name, const std::optional<T> &value, Bounds = any_integer) {
        if (value)
            (*this)(name, *value);
    }
    void flag(std::string_view name, bool value) {
        if (value)
            (*this)(name, true);
    }
    template <typename T>
    void list(std::string_view name, const std::vector<T> &values) {
        if (!values.empty())
            (*this)(name, values);
    }
    void count(std::string_view name, std::int64_t value) {
        if (value != 0)
            (*this)(name, value);
    }
    template <typename Enum>
    void word(std::string_view name, Enum value) {
        (*this)(name, value);
    }

  private:
    // Names need no escape.
    void begin_field(std::string_view name) {
        out_.append(is_first_ ? "\"" : ",\"").append(name).append("\":");
        is_first_ = false;
    }

    template <typename T>
    void append(const T &value) {
        if constexpr (std::is_enum_v<T>)
            append_quoted(out_, to_string(value));
        else if constexpr (std::same_as<T, std::string>)
            append_quoted(out_, value);
        else if constexpr (std::same_as<T, bool>)
            out_ += value ? "true" : "false";
        else if constexpr (std::same_as<T, std::int64_t>)
            append_integer(out_, value);
        else
            append_struct(out_, value);
    }
    template <typename T>
    void append(const std::vector<T> &values) {
        out_ += '[';
        for (const T &value : values) {
            if (&value != values.data())
                out_ += ',';
            append(value);
        }
        out_ += ']';
    }

    std::string &out_;
    bool is_first_ = true;
};

template <typename T>
void append_struct(std::string &out, const T &value) {
    TextEncoder encoder(out);
    describe(encoder, value);
    encoder.finish();
}

} // namespace portd::proto
