// The reading of described structs (fields.hpp) from JSON, whether it comes as a text or as a tree.
//
// The Decoder hears what is read and has a place for each value: a Slot, which knows the type of
// what it is read into by a table of functions. Which field of a struct has a name, its description
// says.
#pragma once

#include "proto/codec.hpp"
#include "proto/fields.hpp"
#include "proto/json_events.hpp"
#include "proto/vocabulary.hpp"

#include <bitset>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace portd::proto {

// Fields of a struct that had a value, by their place in its description.
using Seen = std::bitset<64>;

struct ValueType;

// Where a value goes: a T, or an std::optional of it, which gets one only when there is a value.
struct Slot {
    const ValueType *type = nullptr;
    void *field = nullptr;
    void *(*value_of)(void *field) = nullptr; // the T
    Bounds bounds;
};

struct Member {
    std::string_view name;
    std::size_t index = 0; // of its field in the description
    Slot slot;
};

// The functions get the address of a value of the type.
struct ValueType {
    enum class Kind { integer, boolean, text, word, object, array };
    Kind kind;
    bool (*read_word)(void *value, std::string_view word) = nullptr;
    // The field of that name, if it is the one at that place of the description or behind it.
    std::optional<Member> (*member)(void *object, std::string_view name,
                                    std::size_t first) = nullptr;
    // The first required field that was not seen.
    std::optional<std::string_view> (*missing)(void *object, const Seen &seen) = nullptr;
    Slot (*new_element)(void *array) = nullptr;
};

template <typename T>
Slot slot_of(T &value, Bounds bounds);
template <typename T>
Slot slot_of(std::optional<T> &value, Bounds bounds);

// Visits a description for the field with a name.
class MemberFinder {
  public:
    MemberFinder(std::string_view name, std::size_t first) : name_(name), first_(first) {}

    template <typename T>
    void operator()(std::string_view name, T &value, Bounds bounds = any_integer) {
        if (!found_ && index_ >= first_ && name == name_)
            found_ = Member{name, index_, slot_of(value, bounds)};
        ++index_;
    }
    void flag(std::string_view name, bool &value) { (*this)(name, value); }
    void list(std::string_view name, auto &values) { (*this)(name, values); }
    void count(std::string_view name, std::int64_t &value) { (*this)(name, value, not_negative); }
    void word(std::string_view name, auto &value) { (*this)(name, value); }

    const std::optional<Member> &found() const { return found_; }

  private:
    std::string_view name_;
    std::size_t first_;
    std::size_t index_ = 0;
    std::optional<Member> found_;
};

// Visits a description for a required field that was not seen.
class MissingFinder {
  public:
    explicit MissingFinder(const Seen &seen) : seen_(seen) {}

    template <typename T>
    void operator()(std::string_view name, T &, Bounds = any_integer) {
        if (!found_ && !seen_.test(index_))
            found_ = name;
        ++index_;
    }
    template <typename T>
    void operator()(std::string_view, std::optional<T> &, Bounds = any_integer) {
        ++index_;
    }
    void flag(std::string_view, bool &) { ++index_; }
    void list(std::string_view, auto &) { ++index_; }
    void count(std::string_view, std::int64_t &) { ++index_; }
    void word(std::string_view, auto &) { ++index_; }

    std::optional<std::string_view> found() const { return found_; }

  private:
    const Seen &seen_;
    std::size_t index_ = 0;
    std::optional<std::string_view> found_;
};

template <typename T>
struct TypeOf;
template <>
struct TypeOf<std::int64_t> {
    static constexpr ValueType type{.kind = ValueType::Kind::integer};
};
template <>
struct TypeOf<bool> {
    static constexpr ValueType type{.kind = ValueType::Kind::boolean};
};
template <>
struct TypeOf<std::string> {
    static constexpr ValueType type{.kind = ValueType::Kind::text};
};
template <typename T>
requires std::is_enum_v<T>
struct TypeOf<T> {
    static bool read_word(void *value, std::string_view word) {
        const auto known = parse_word<T>(word);
        if (known)
            *static_cast<T *>(value) = *known;
        return known.has_value();
    }
    static constexpr ValueType type{.kind = ValueType::Kind::word, .read_word = read_word};
};
template <typename T>
struct TypeOf<std::vector<T>> {
    static Slot new_element(void *array) {
        return slot_of(static_cast<std::vector<T> *>(array)->emplace_back(), any_integer);
    }
    static constexpr ValueType type{.kind = ValueType::Kind::array, .new_element = new_element};
};
template <typename T>
requires std::is_class_v<T>
struct TypeOf<T> {
    static std::optional<Member> member(void *object, std::string_view name, std::size_t first) {
        MemberFinder finder(name, first);
        describe(finder, *static_cast<T *>(object));
        return finder.found();
    }
    static std::optional<std::string_view> missing(void *object, const Seen &seen) {
        MissingFinder finder(seen);
        describe(finder, *static_cast<T *>(object));
        return finder.found();
    }
    static constexpr ValueType type{
        .kind = ValueType::Kind::object, .member = member, .missing = missing};
};

template <typename T>
Slot slot_of(T &value, Bounds bounds) {
    return {&TypeOf<T>::type, &value, [](void *field) { return field; }, bounds};
}
template <typename T>
Slot slot_of(std::optional<T> &value, Bounds bounds) {
    constexpr auto made = [](void *field) -> void * {
        return &static_cast<std::optional<T> *>(field)->emplace();
    };
    return {&TypeOf<T>::type, &value, made, bounds};
}

enum class Unknown { refused, ignored };

// Stops at the first value that cannot be used, and keeps what was wrong with it.
class Decoder final : public JsonEvents {
  public:
    template <typename T>
    Decoder(T &value, Unknown unknown) : root_(slot_of(value, any_integer)), unknown_(unknown) {}

    void begin_object() override;
    void key(std::string_view name) override;
    void end_object() override;
    void begin_array() override;
    void end_array() override;
    void text(std::string_view value) override;
    void integer(std::int64_t value) override;
    void other_number(std::string_view digits) override;
    void boolean(bool value) override;
    void null() override;

    std::optional<InvalidField> take_fault() { return std::move(fault_); }

  private:
    using Kind = ValueType::Kind;

    // An object or array that has begun.
    struct Frame {
        const ValueType *type;
        void *value;
        std::optional<Member> member{}; // of an object: whose value comes next, if it is known
        std::size_t elements = 0;       // of an array, with the one that comes next
        Seen seen{};
    };

    // Where the value goes that has come, if anywhere; refuses another kind than the slot's.
    std::optional<Slot> take_slot(Kind kind);
    void begin(Kind kind);
    void end();
    std::string place() const;
    void refuse(const std::string &reason);

    Slot root_;
    Unknown unknown_;
    std::vector<Frame> frames_;
    std::size_t passed_over_ = 0; // objects and arrays that have begun where nobody asked for them
    std::optional<InvalidField> fault_;
};

template <typename T>
Decoded<T> decode_struct(const json &parameters, Unknown unknown) {
    T value;
    Decoder decoder(value, unknown);
    read_json(parameters, decoder);
    if (auto fault = decoder.take_fault())
        return std::move(*fault);
    return value;
}

// A reply as it stands in its message (varlink.org, "Method Call").
template <typename T>
struct Envelope {
    std::optional<std::string> error;
    bool continues = false;
    std::optional<T> parameters;
};

template <typename T>
void describe(auto &visit, Envelope<T> &envelope) {
    visit("error", envelope.error);
    visit.flag("continues", envelope.continues);
    visit("parameters", envelope.parameters);
}

template <typename T>
std::optional<ReplyOf<T>> decode_reply_struct(std::string_view message) {
    Envelope<T> envelope;
    Decoder decoder(envelope, Unknown::ignored);
    if (!read_json(message, decoder) || decoder.take_fault() || envelope.error ||
        !envelope.parameters)
        return std::nullopt;
    return ReplyOf<T>{envelope.continues, *std::move(envelope.parameters)};
}

} // namespace portd::proto
