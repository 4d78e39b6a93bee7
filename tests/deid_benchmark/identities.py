"""People who do not exist: what is planted, and has to be gone again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """A patient with everything that a header says of one."""

    surname: str
    given: str
    number: str
    accession: str
    birth_date: str
    study_date: str
    institution: str
    address: str
    phone: str
    referrer: str
    operator: str
    """Surname; named in the header of the first instance of a study only."""

    @property
    def name(self) -> str:
        return f"{self.surname}^{self.given}"

    @property
    def birth_text(self) -> str:
        """As people write it in the United States."""
        return f"{self.birth_date[4:6]}/{self.birth_date[6:]}/{self.birth_date[:4]}"

    @property
    def study_text(self) -> str:
        return f"{self.study_date[:4]}-{self.study_date[4:6]}-{self.study_date[6:]}"


_PEOPLE = (
    ("Lindqvist", "Marguerite", "Featherstonehaugh", "Quillfeather", "Brannock Ridge Infirmary"),
    ("Okonkwo-Baptiste", "Chidera", "Abernathy", "Szczepaniak", "Tarnwell Medical Center"),
    ("Jägerström", "Åsbjörg", "Müllerthal", "Grünewald", "Krankenhaus Oberfelden"),
    ("O'Callaghan", "Siobhan", "Thistlewood", "Fitzmaurice", "St. Columcille Hospital"),
    ("Zielinski", "Bronislaw", "Wojciechowski", "Nowakowska", "Szpital Miejski Zabrze"),
    ("Nakashima", "Haruto", "Kobayakawa", "Shimazaki", "Nishiyodo Clinic"),
    ("Meulenbelt", "Pieterjan", "Verschuren", "Hoogeveen", "Ziekenhuis Westerkwartier"),
    ("Hollingsworth", "Perpetua", "Castellanos", "Ravenscroft", "Penhaligon Imaging"),
)


def identity(number: int) -> Identity:
    """The patient of a number, always the same one; the numbers of two patients have nothing in common."""
    surname, given, referrer, operator, institution = _PEOPLE[number % len(_PEOPLE)]
    turn = number // len(_PEOPLE)
    suffix = chr(ord("a") + turn % 26) * 2 if turn else ""
    return Identity(
        surname + suffix,
        given + suffix,
        f"{7_741_093 + 10_007 * number}",
        f"{40_318_822 + 30_011 * number}",
        f"19{41 + number % 40}0{1 + number % 9}{14 + number % 14}",
        f"201{number % 9}0{1 + number % 9}{12 + number % 16}",
        institution,
        f"{4417 + number} Wexcombe Lane",
        f"(503) 555-0{142 + number % 800}",
        referrer,
        operator,
    )
