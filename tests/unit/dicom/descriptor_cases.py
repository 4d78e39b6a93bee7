# ruff: noqa: RUF001  # other alphabets are the matter
"""Hand-made free texts with what has to go from them and what has to stay.

Each case: the header that is known, the text, the parts that must not be left, the parts that must be, each
list separated by ``|``. Names are invented.
"""

from __future__ import annotations

from typing import NamedTuple

from dicompack.dicom.dataset import DataSet, Element


class Header(NamedTuple):
    name: str = ""
    patient_id: str = ""
    accession: str = ""
    institution: str = ""
    referring: str = ""
    address: str = ""
    operator: str = ""

    def data_set(self) -> DataSet:
        tags = (0x00100010, 0x00100020, 0x00080050, 0x00080080, 0x00080090, 0x00101040, 0x00081070)
        vrs = ("PN", "LO", "SH", "LO", "PN", "LO", "PN")
        nodes = [Element(t, vr, v.encode()) for t, vr, v in zip(tags, vrs, self, strict=True) if v]
        return DataSet([Element(0x00080005, "CS", b"ISO_IR 192"), *nodes])


NOBODY = Header()
SMITH = Header(
    name="Smith^John^Q^Dr",
    patient_id="AB-0012345",
    accession="ACC98",
    institution="Mercy Hospital Springfield",
    referring="Brown^Alice",
    address="12 Elm Street, Riverton 90210",
    operator="CT TECH",
)
MUELLER = Header(
    name="Müller-Lüdenscheid^Jörg",
    patient_id="4711",
    accession="2019A33",
    institution="Universitätsklinikum Großhadern",
    referring="Weiß^Änne",
    address="Blumenstr. 5\\81377 München",
)
OBRIEN = Header("O'Brien^Siobhán", "X77Y", "", "Saint Vincent's Clinic, Dublin", "van der Berg^Pieter")
YAMADA = Header("Yamada^Tarou=山田^太郎=やまだ^たろう", "JP-77812", "", "東大病院", "佐藤^花子")
IVANOV = Header("Иванова^Мария^Петровна", "РФ-5521", "", "Городская больница Приморье")
KIM = Header("Kim^Cheolsu=金^哲洙=김^철수", "K-88112")
LI = Header("Li^Wei", "9001-7")
HEAD = Header("Head^Young", "HY-4410", referring="Hand^Paul")
GARCIA = Header("García Núñez^José María", "ES-99231", "", "Hospital Clínic Valdoria", "de la Cruz^Inés")
PAPADOPOULOS = Header("Παπαδόπουλος^Γιώργος", "GR-2209")
SORENSEN = Header("Sørensen^Åse", "DK55-12", "", "Rigshospitalet Vesterbro")
HADDAD = Header("حداد^ليلى", "LB-3001")


class Case(NamedTuple):
    header: Header
    text: str
    gone: tuple[str, ...]
    kept: tuple[str, ...]


def _cases(header: Header, lines: str) -> list[Case]:
    cases = []
    for line in lines.strip().splitlines():
        text, gone, kept = (part.strip() for part in line.split("##"))
        cases.append(Case(header, text, *(tuple(p for p in part.split("|") if p) for part in (gone, kept))))
    return cases


CASES = [
    *_cases(SMITH, """
Chest CT John Smith            ## John|Smith ## Chest CT
SMITH JOHN CHEST               ## SMITH|JOHN ## CHEST
chest smith, john q            ## smith|john ## chest
Smith^John knee                ## Smith|John ## knee
CHEST_SMITH_AP                 ## SMITH ## CHEST|AP
ABDOMEN SMITHJOHN              ## SMITH|JOHN ## ABDOMEN
JohnSmith thorax               ## John|Smith ## thorax
jsmith reviewed images         ## smith ## reviewed images
SmithJ pelvis                  ## Smith ## pelvis
Smith's left knee              ## Smith ## left knee
Mr. Smith, MRI brain           ## Smith ## MRI brain
(Smith) Head                   ## Smith ## Head
SMITH T2 TSE AX 5mm            ## SMITH ## T2 TSE AX 5mm
SmithChest                     ## Smith ## Chest
Johnson lymphoma study         ## ## lymphoma study
AB-0012345 spine               ## 12345 ## spine
ab0012345 spine                ## 12345 ## spine
AB 0012345 spine               ## 12345 ## spine
AB0012345.dcm                  ## 12345 ##
ID AB-12345 wrist              ## ## wrist
ACC98 hip                      ## ACC98 ## hip
acc-98 hip                     ## 98 ## hip
Mercy Hospital Springfield CT  ## Mercy|Springfield ## CT
MERCY protocol chest           ## MERCY ## protocol chest
Springfield trauma protocol    ## Springfield ## trauma protocol
Ref: Alice Brown               ## Alice|Brown ##
BROWN request: r/o PE          ## BROWN ## r/o PE
Elm Street 12                  ## Elm ##
Riverton                       ## Riverton ##
ZIP 90210                      ## 90210 ##
CT TECH reviewed               ## ## CT
CT CHEST WITH CONTRAST         ## ## CT CHEST WITH CONTRAST
    """),
    *_cases(MUELLER, """
Thorax Müller-Lüdenscheid      ## Müller|Lüdenscheid ## Thorax
Thorax Mueller Luedenscheid    ## Mueller|Luedenscheid ## Thorax
Thorax MUELLER                 ## MUELLER ## Thorax
Thorax Muller                  ## Muller ## Thorax
Joerg Schädel nativ            ## Joerg ## Schädel nativ
JÖRG MÜLLER Knie               ## JÖRG|MÜLLER ## Knie
Müllers Knie links             ## Müllers ## Knie links
Mu\u0308ller Knie              ## ller ## Knie
4711 Abdomen                   ## 4711 ## Abdomen
Pat.-Nr. 4711                  ## 4711 ##
Großhadern Schädel-CT          ## Großhadern ## Schädel-CT
GROSSHADERN LWS                ## GROSSHADERN ## LWS
Uniklinikum Grosshadern        ## Grosshadern ##
Zuweiser Dr. Weiss             ## Weiss ##
Änne Weiß HWS                  ## Änne|Weiß ## HWS
Aenne LWS                      ## Aenne ## LWS
Blumenstr. 5 München           ## Blumenstr|München ##
Muenchen BWS                   ## Muenchen ## BWS
2019A33 Becken                 ## 2019A33 ## Becken
Fuß an Schiene, nach Sturz     ## ## Fuß an Schiene, nach Sturz
Untersuchung des Abdomens      ## ## Untersuchung des Abdomens
    """),
    *_cases(OBRIEN, """
O'Brien Siobhan chest          ## Brien|Siobhan ## chest
OBRIEN SIOBHAN                 ## BRIEN|SIOBHAN ##
O’Brien ankle                  ## Brien ## ankle
siobhán o'brien foot           ## siobhán|brien ## foot
X77Y foot                      ## X77Y ## foot
St Vincents foot               ## Vincents ## foot
Dublin foot                    ## Dublin ## foot
van der Berg foot              ## van|der|Berg ## foot
Vander foot lesion             ## ## foot lesion
Pieter foot                    ## Pieter ## foot
bone der foot                  ## ## bone|foot
    """),
    *_cases(YAMADA, """
山田太郎様 胸部CT               ## 山田|太郎 ## 胸部CT
胸部CT 山田                     ## 山田 ## 胸部CT
ﾔﾏﾀﾞ 胸部                       ## ﾔﾏﾀ ## 胸部
ヤマダタロウ 腹部               ## ヤマダ ## 腹部
やまだ 頭部MRI                  ## やまだ ## 頭部MRI
YAMADA TAROU Brain              ## YAMADA|TAROU ## Brain
Tarou Yamada                    ## Tarou|Yamada ##
東大病院 胸部X線                ## 東大 ## 胸部X線
佐藤花子先生 依頼               ## 佐藤|花子 ## 依頼
頭部単純MRI                     ## ## 頭部単純MRI
２０１９年３月１２日 胸部        ## ２０１９|１２ ## 胸部
平成31年3月12日 腹部            ## 31年|12日 ## 腹部
JP77812 胸部                    ## 77812 ## 胸部
患者名：鈴木一郎 胸部           ## 鈴木 ## 胸部
    """),
    *_cases(IVANOV, """
Иванова Мария КТ грудной клетки ## Иванова|Мария ## КТ грудной клетки
ИВАНОВА КТ                      ## ИВАНОВА ## КТ
пациентка Иванову направили на МРТ ## Иванову ## МРТ
у Ивановой перелом              ## Ивановой ## перелом
Марии сделано МРТ               ## Марии ## МРТ
Петровна, колено                ## Петровна ## колено
РФ5521 колено                   ## 5521 ## колено
Приморье КТ                     ## Приморье ## КТ
12 марта 2019 КТ                ## марта|2019 ## КТ
КТ головного мозга              ## ## КТ головного мозга
    """),
    *_cases(KIM, """
김철수 흉부 CT                   ## 김철수 ## 흉부 CT
김철수님 복부                    ## 철수 ## 복부
金哲洙 CT                        ## 哲洙 ## CT
KIM CHEOLSU BRAIN               ## KIM|CHEOLSU ## BRAIN
Cheolsu Kim brain               ## Cheolsu|Kim ## brain
2019년 3월 12일 흉부             ## 2019|12일 ## 흉부
K88112                          ## 88112 ##
흉부 CT 조영                     ## ## 흉부 CT 조영
    """),
    *_cases(LI, """
Li Wei chest                    ## Li|Wei ## chest
LI WEI CHEST                    ## LI|WEI ## CHEST
liwei chest                     ## liwei ## chest
wei chest                       ## wei ## chest
9001-7 chest                    ## 9001 ## chest
90017 chest                     ## 90017 ## chest
life support lines, chest       ## ## life support lines, chest
    """),
    *_cases(HEAD, """
Young Head CT brain             ## Young|Head ## CT brain
HEAD ROUTINE                    ## HEAD ## ROUTINE
HY-4410 ROUTINE                 ## 4410 ## ROUTINE
left hand pa                    ## ## left hand pa
ordered: Paul Hand              ## Paul|Hand ##
Forehead lesion                 ## ## Forehead lesion
    """),
    *_cases(GARCIA, """
García Núñez José tórax          ## García|Núñez|José ## tórax
GARCIA NUNEZ TORAX               ## GARCIA|NUNEZ ## TORAX
Jose Maria abdomen               ## Jose|Maria ## abdomen
Dra. de la Cruz rodilla          ## Cruz ## rodilla
Valdoria TAC de tórax            ## Valdoria ## TAC de tórax
12 de marzo de 2019 rodilla      ## marzo|2019 ## rodilla
nacido el 3/5/1950 tórax         ## 1950|3/5 ## tórax
ES99231 tórax                    ## 99231 ## tórax
radiografía de la mano izquierda ## ## radiografía de la mano izquierda
    """),
    *_cases(PAPADOPOULOS, """
Παπαδόπουλος θώρακος             ## Παπαδόπουλος ## θώρακος
ΠΑΠΑΔΟΠΟΥΛΟΣ CT                  ## ΠΑΠΑΔΟΠΟΥΛΟΣ ## CT
του Παπαδόπουλου CT              ## Παπαδόπουλου ## CT
GR 2209 CT                       ## 2209 ## CT
    """),
    *_cases(SORENSEN, """
Sørensen Åse hofte               ## Sørensen|Åse ## hofte
SORENSEN hofte                   ## SORENSEN ## hofte
Soerensen hofte                  ## Soerensen ## hofte
Aase hofte                       ## Aase ## hofte
Vesterbro hofte                  ## Vesterbro ## hofte
DK55-12 hofte                    ## 55-12 ## hofte
    """),
    *_cases(HADDAD, """
حداد ليلى CT                      ## حداد|ليلى ## CT
LB3001 CT                         ## 3001 ## CT
    """),
    *_cases(NOBODY, """
Chest 2019-03-12                 ## 2019-03-12|2019 ## Chest
Chest 2019/3/12 10:22            ## 2019|10:22 ## Chest
Chest 12.03.2019                 ## 12.03 ## Chest
Chest 12.3.19                    ## 12.3.19 ## Chest
Chest 12. 3. 2019                ## 2019 ## Chest
Chest 03/12/2019                 ## 03/12 ## Chest
Chest 3/12/19                    ## 3/12 ## Chest
Chest 12-03-2019 at 14:05:33     ## 2019|14:05 ## Chest
Chest 12 Mar 2019                ## 12 Mar|2019 ## Chest
Chest 12-MAR-2019                ## MAR|2019 ## Chest
Chest 12MAR2019                  ## MAR2019 ## Chest
Chest 12MAR19                    ## 12MAR19 ## Chest
Chest March 12, 2019             ## March|12|2019 ## Chest
Chest March 12th 2019            ## March|2019 ## Chest
Chest Mar 12 2019 3:15 pm        ## Mar|2019|3:15 ## Chest
Thorax 12. März 2019 um 8:15 Uhr ## März|2019|8:15 ## Thorax
Thorax 12. Maerz 2019            ## Maerz|2019 ## Thorax
Thorax vom 3. Mai                ## 3. Mai ## Thorax
Thorax März 2019                 ## März|2019 ## Thorax
thorax 12 mars 2019              ## mars|2019 ## thorax
thorax 1er février 2020          ## février|2020 ## thorax
torace 12 marzo 2019             ## marzo|2019 ## torace
torax 12/mar/2019                ## mar|2019 ## torax
thorax 12 maart 2019             ## maart|2019 ## thorax
klatka 12 marca 2019             ## marca|2019 ## klatka
prior 03/2019                    ## 03/2019 ## prior
prior 03.2019                    ## 03.2019 ## prior
prior 2019-03                    ## 2019-03 ## prior
since 2015 knee pain             ## 2015 ## knee pain
seit 2015 Knieschmerz            ## 2015 ## Knieschmerz
20190312 chest                   ## 20190312 ## chest
chest_20190312_102233            ## 20190312|102233 ## chest
20190312102233.123456            ## 20190312|102233 ##
2019-03-12T10:22:33Z chest       ## 2019|10:22 ## chest
10:22 12.03.2019 chest           ## 10:22|12.03 ## chest
120319 chest                     ## 120319 ## chest
DOB 3/5/50 chest                 ## 3/5/50 ## chest
DOB: 03.05.1950 chest            ## 1950 ## chest
geb. 3.5.1950 Thorax             ## 1950 ## Thorax
born 1950-05-03 chest            ## 1950 ## chest
MRN: 12345 chest                 ## 12345 ## chest
MRN 12345 chest                  ## 12345 ## chest
MRN12345678                      ## 12345678 ##
MRN#A-123 chest                  ## A-123 ## chest
Patient ID: 77-A chest           ## 77-A ## chest
Accession No: 4431 chest         ## 4431 ## chest
acc# 4431A chest                 ## 4431A ## chest
Fallnr: 4431 Thorax              ## 4431 ## Thorax
SSN 078-05-1120                  ## 078|1120 ##
NHS 943 476 5919                 ## 943|5919 ##
tel 555-1234                     ## 555-1234 ##
Tel.: 030 / 1234                 ## 1234 ##
+49 (0)89 4400-0 Thorax          ## 4400 ## Thorax
+1 212 555 0123                  ## 212|0123 ##
(212) 555-0123 call              ## 212|0123 ## call
212-555-0123 call                ## 212|0123 ## call
089/123456 Rückruf               ## 123456 ## Rückruf
01 23 45 67 89 rappeler          ## 45 67 ## rappeler
fax 0151-2345678                 ## 2345678 ##
john.doe@example.org chest       ## john|doe|example ## chest
mailto:x@y.de chest              ## x@y ## chest
https://pacs.example.org/a?b=1 x ## pacs|example ## x
www.example.org chest            ## example ## chest
C:\\Users\\doe\\scan.dcm chest   ## doe ## chest
/home/doe/scan.dcm chest         ## doe ## chest
1.2.840.113619.2.55.3 series     ## 113619 ## series
UID 2.25.3298471                 ## 3298471 ##
10.1.44.12 node                  ## 10.1.44.12 ## node
Dr. Foster chest                 ## Foster ## chest
dr foster: chest                 ## ## chest
DR. FOSTER CHEST                 ## FOSTER ## CHEST
Dr. med. Anna Foster, Thorax     ## Anna|Foster ## Thorax
Prof. Dr. K. Lindqvist Knie      ## Lindqvist ## Knie
Professor Lindqvist              ## Lindqvist ##
Mrs. Foster, hip                 ## Foster ## hip
Herr Lindqvist, Hüfte            ## Lindqvist ## Hüfte
Frau van den Lindqvist Hüfte     ## Lindqvist ## Hüfte
Mme Dubosc genou                 ## Dubosc ## genou
Name: Lindqvist, Ola; Knie       ## Lindqvist|Ola ## Knie
Patient: john foster chest       ## john|foster ## chest
Referring: Foster. Chest pain    ## Foster ## Chest pain
Performed by Ola Lindqvist MR    ## Ola|Lindqvist ## MR
read by FOSTER                   ## FOSTER ##
seen by Foster chest             ## Foster ## chest
ref. by Lindqvist, Knie          ## Lindqvist ## Knie
CT chest per Dr Lindqvist        ## Lindqvist ## CT chest
Jane Foster née Lindqvist hip    ## Jane|Foster|Lindqvist ## hip
geb. Lindqvist Thorax            ## Lindqvist ## Thorax
Befundet von Lindqvist           ## Lindqvist ##
DOE^JANE spine                   ## DOE|JANE ## spine
St. Olaf Hospital CT             ## Olaf ## CT
Klinikum Lindental Thorax        ## Lindental ## Thorax
Hôpital Valmont genou            ## Valmont ## genou
93 yo male, chest                ## 93 yo ## male, chest
95-jährig, 95 Jahre, Thorax      ## 95 Jahre ## Thorax
221 Baker Street chest           ## Baker ## chest
Lindenstraße 12 Thorax           ## Lindenstraße ## Thorax
ABC1234567 chest                 ## 1234567 ## chest
Zero\u200bwidth12345\u00ad67     ## 1234567|12345 ##
    """),
]  # fmt: skip

# What protocols, series and findings are called: nothing may go.
HARMLESS = [
    line.strip()
    for line in """
T2 TSE AX 5mm
contrast per protocol
2 ml per kg
seen with MIP
read by radiologist
CHEST ROUTINE 1.0 B31f
AX T1 FSE FS +C
SAG T2 FLAIR CUBE
t1_mprage_sag_p2_iso_1.0
ep2d_diff_mddw_20_p2
ep2d_bold_rest 2.4mm TR 2000
3D TOF MRA 0.6 mm
DWI b0 b500 b1000 ADC
b 0 50 400 800 s/mm2
TE 20/40/60/80
512x512x128
Abdomen 5.0 B30f 120 kV 200 mAs
Thorax 1.25mm LUNG
CT Head Without Contrast
CT CHEST/ABD/PEL W IV CON
MR BRAIN WITHOUT & WITH CONTRAST
MRI LUMBAR SPINE W/O CONTRAST
XR CHEST PA AND LATERAL
DR CHEST PA
DR Thorax ap liegend
US ABDOMEN COMPLETE
US Schilddrüse
NM BONE SCAN WHOLE BODY
PET CT Skull Base to Mid Thigh
PET AC 3D FBP 4.2 mm
Recon 2: 1.5 / 0.7 mm I30f
Localizer 3-plane
SCOUT 2 views
LWS ap/seitlich
Knie re. 2 Ebenen
Schädel nativ axial 4 mm
Kopf-Hals-Angio 0.75 H20f
Colonne lombaire T2 sag
IRM cérébrale avec injection
Genou gauche face et profil
TAC de tórax sin contraste
RM rodilla derecha
Radiografia del torace in due proiezioni
MAMMO L MLO
R CC view, 28 kVp 63 mAs
Fracture of left distal radius, AO 23-A2
Lesion 12 x 8 mm in segment 7
Stenosis 70 % LAD, FFR 0.78
EF 55 %, LVEDV 142 ml
Gleason 3+4
BI-RADS 4a
TNM pT2 N1 M0
Tumor grade II, Ki-67 20 %
CA 15-3 elevated
HbA1c 7.2
45 year old male
45-year-old woman with knee pain
follow-up in 6 months
3/4 of slices usable
Matrix 256 256 256
Scale 1:50
Version VB17 1.0.2
syngo MR E11
SIEMENS Sensation 64
GE LightSpeed VCT
Dose 12.5 mGy*cm
TR/TE 500/15
Time of flight
FOV 240 mm
Flip angle 90
1st pass perfusion
Phase 20 %
75 % best diastolic
Cardiac 0.6 B26f 70 %
PA and lateral
No acute cardiopulmonary abnormality
Impression: normal chest
Reason: cough and fever
Comparison: none
Technique: helical CT with iv contrast
Recommendation: follow up CT
Reported side: left
Read: normal
M. supraspinatus rupture
MS plaques periventricular
MR Perfusion
PD FS TSE cor
OA of the hip
5 Fr catheter
A. carotis interna rechts
Mar artefact reduction
may be benign
dec. uptake in the liver
Set 3 of 4
VOL 1-200
Im 1-40/120
Series 1000
TI 2500 TE 10
1.5 T
0.3125 mm
SNR 12,5
100-120 kV
C5/6 and L4/5
Th12-L1
L5-S1 10.5 mm
1-2-3 phase
in 2 planes
nach KM-Gabe 80 ml
bitte 3 Monate Kontrolle
Zustand nach Hüft-TEP rechts
胸部単純X線
頭部MRI T2強調
복부 초음파
КТ грудной клетки
МРТ коленного сустава
""".strip().splitlines()
]

NOVAK = Header("Nováková^Božena", "CZ881", "RIS-20441", "Fakultní nemocnice Horní Lhota", "Dvořák^Petr")
WILLIAMS = Header(
    "Williams-Carter^Mary Ann", "MWC/7781", "A-2291-B", "Lakeshore Imaging Associates", "Nguyen^Thi Bich"
)
SCHNEIDER = Header("SCHNEIDER^HANS PETER", "000123450", "", "MVZ Radiologie Isartal", "Öztürk^Gülşen")

# Written after the rules. First run: 62 of 65 parts gone, 59 of 60 kept; then the rules learned from it.
HELD_OUT = [
    *_cases(NOVAK, """
Novakova Bozena RTG plic           ## Novakova|Bozena ## RTG plic
NOVÁKOVÁ, kontrola                 ## NOVÁKOVÁ ## kontrola
Božena N., koleno                  ## Božena ## koleno
doporučil MUDr. Dvořák             ## Dvořák ## doporučil
CZ-881 koleno                      ## 881 ## koleno
RIS20441 hrudník                   ## 20441 ## hrudník
FN Horní Lhota, břicho             ## Lhota ## břicho
12. března 2021 břicho             ## 2021 ## břicho
MR mozku bez kontrastu             ## ## MR mozku bez kontrastu
    """),
    *_cases(WILLIAMS, """
WILLIAMS CARTER MARY               ## WILLIAMS|CARTER|MARY ##
Ms. Carter presented with cough    ## Carter ## presented with cough
mary-ann williams f/u              ## mary|williams ## f/u
M. Williams-Carter, LEFT BREAST    ## Williams|Carter ## LEFT BREAST
mwc7781 mammo                      ## 7781 ## mammo
MWC_7781_MLO                       ## 7781 ## MLO
A2291B screening                   ## 2291 ## screening
Lakeshore screening protocol       ## Lakeshore ## screening protocol
sent to Dr Nguyen for review       ## Nguyen ## review
Thi Nguyen requested addl views    ## Thi|Nguyen ## views
DOS: 04-07-22 left breast          ## 04-07-22 ## left breast
call (555) 867-5309 w/ results     ## 867|5309 ## results
Call 867-5309                      ## 867-5309 ## Call
seen April 7th, 2022 by radiology  ## April|2022 ## radiology
appt 7 Apr '22                     ## Apr|22 ## appt
appt 4/7                           ## ## appt
prior mammogram Jan 2018           ## Jan|2018 ## prior mammogram
pt is 92 y/o female                ## 92 ## female
pt is 52 y/o female                ## ## pt is 52 y/o female
history of R mastectomy 2017       ## ## history of R mastectomy
Email results to mary.w@mail.test  ## mary|mail.test ## results
See //pacs01/share/7781            ## 7781 ## See
L CC SPOT MAG                      ## ## L CC SPOT MAG
Mary's Choice protocol             ## Mary ## protocol
will I am ok                       ## ## will I am ok
carterwilliams_mlo                 ## carter|williams ## mlo
    """),
    *_cases(SCHNEIDER, """
Hr. Schneider, Thorax              ## Schneider ## Thorax
Schneiders Thorax                  ## Schneider ## Thorax
hans-peter schneider lws           ## hans|peter|schneider ## lws
0123450 lws                        ## 123450 ## lws
Überweiser: Fr. Dr. Ozturk         ## Ozturk ##
Guelsen Öztürk, Hüfte              ## Guelsen|Öztürk ## Hüfte
Isartal Standard Thorax            ## Isartal ## Thorax
Z.n. OP am 3.4.21, Hüfte           ## 3.4.21 ## Hüfte
OP Juli 2020                       ## Juli|2020 ## OP
Aufn. v. 1.12.2020, 14 Uhr         ## 1.12.2020 ## Aufn
geb. am 07.11.1943 in Aachen       ## 1943 ##
Bitte Rückruf Tel. 4711-223        ## 4711|223 ## Bitte Rückruf
Handy 0171 5551234                 ## 0171|5551234 ##
Hausarzt: Kowalczyk, Bonn          ## Kowalczyk ##
gez. Dr. Kowalczyk                 ## Kowalczyk ##
Schichtdicke 3,0 mm, Kernel H60s   ## ## Schichtdicke 3,0 mm, Kernel H60s
CT Abdomen mit KM i.v. 3 Phasen    ## ## CT Abdomen mit KM i.v. 3 Phasen
re. Hand in 2 Ebenen               ## ## re. Hand in 2 Ebenen
    """),
    *_cases(NOBODY, """
t2_blade_tra_fs_320_p2             ## ## t2_blade_tra_fs_320_p2
Thorax^1a_Routine (Adult)          ## ## Thorax|Routine
AX DWI B=1000 ADC MAP              ## ## AX DWI B=1000 ADC MAP
CTA 0.5 CE Head, iDose (4)         ## ## CTA 0.5 CE Head, iDose (4)
Perfusion 60s p.i. 5.0 B20f        ## ## Perfusion 60s p.i. 5.0 B20f
RIGHT HIP 2-3 VIEWS W/ PELVIS      ## ## RIGHT HIP 2-3 VIEWS W/ PELVIS
Cardiac MR LGE PSIR SAX            ## ## Cardiac MR LGE PSIR SAX
RT Planning Pelvis SUPINE 3mm      ## ## RT Planning Pelvis SUPINE 3mm
VMAT prostate 78 Gy / 39 fx        ## ## VMAT prostate 78 Gy / 39 fx
F18-FDG 350 MBq 60 min p.i.        ## ## F18-FDG 350 MBq 60 min p.i.
Reported by Dr Jane Roe            ## Jane|Roe ##
Jane Roe MD                        ## ##
Nurse: Roe; vitals ok              ## Roe ## vitals ok
Study for Acme Trial site 12       ## ## Study for
    """),
]  # fmt: skip
